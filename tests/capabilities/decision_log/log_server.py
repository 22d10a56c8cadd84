"""A real HTTP server that takes decision logs as OPA's receivers do, and fails in every way that it is told to."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LogServer:
    """Collects events. ``behave`` has what is to be done with the next requests: a status, ``hang`` or ``cut``; then all is well again."""

    def __init__(self, port: int = 0) -> None:
        self.events: list[dict[str, Any]] = []
        self.requests: list[dict[str, str]] = []
        self.behave: list[int | str] = []
        self.max_events = 1_000_000
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
                how = outer.behave.pop(0) if outer.behave else 204
                events = json.loads(gzip.decompress(body))
                if how == "hang":
                    time.sleep(1.5)
                    self.connection.close()
                    return
                if how == "cut":
                    outer.events.extend(events)  # it has them, and nobody will know
                    self.connection.close()
                    return
                if how == 204 and len(events) > outer.max_events:
                    how = 413
                if how == 204:
                    outer.events.extend(events)
                self.send_response(how if isinstance(how, int) else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/logs"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def ids(self) -> list[str]:
        """The ids of the events, in the order in which they came."""
        return [event["decision_id"] for event in self.events]

    def close(self) -> None:
        """Go away."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def log_server(port: int = 0) -> Iterator[LogServer]:
    """A server that listens."""
    server = LogServer(port)
    try:
        yield server
    finally:
        server.close()
