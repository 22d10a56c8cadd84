"""A stand-in for an OTLP collector on a real socket that keeps what it received, and can refuse, hang, drip, reset and come back."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


class Collector:
    """Listens from its making until ``stop``. ``mode`` is what it does with a request: ``ok`` (status ``status``), ``hang``, ``drip``, ``reset``."""

    def __init__(self, port: int = 0) -> None:
        self.mode = "ok"
        self.status = 200
        self.answer = b"{}"
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.released = threading.Event()
        self._open: list[socket.socket] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                collector.connections += 1
                collector._open.append(self.request)
                super().setup()

            def do_POST(self) -> None:
                collector._serve(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                return

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"]))
        if self.mode == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close_connection = True
            request.connection.close()
            return
        if self.mode == "hang":
            self.released.wait(30)
            request.close_connection = True
            return
        if self.mode == "drip":
            for byte in b"HTTP/1.1 200 OK\r\n" + b"x-padding: 1\r\n" * 50:
                request.wfile.write(bytes([byte]))
                if self.released.wait(0.02):
                    return
        if self.status == 200:
            self.bodies.append(body)
            self.headers.append({name.lower(): value for name, value in request.headers.items()} | {":path": request.path})
        request.send_response(self.status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(self.answer)))
        request.end_headers()
        request.wfile.write(self.answer)

    def spans(self) -> list[dict[str, Any]]:
        """Every span received as OTLP/JSON so far."""
        found: list[dict[str, Any]] = []
        for body in list(self.bodies):
            for resource in orjson.loads(body)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    found.extend(scope["spans"])
        return found

    def wait_for(self, count: int, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """The spans, once there are ``count``."""
        deadline = time.monotonic() + timeout_s
        while len(spans := self.spans()) < count:
            assert time.monotonic() < deadline, f"{len(spans)} of {count} spans came"
            time.sleep(0.01)
        return spans

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """A collector for the length of a ``with`` block."""
    running = Collector(port)
    try:
        yield running
    finally:
        running.stop()
