"""A real Jaeger for the length of a test session: collector, query and in-memory storage in one process, on free ports of the loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_CONFIG = Path(__file__).parent / "jaeger" / "memory.yaml"


@dataclass(frozen=True, kw_only=True)
class JaegerSpan:
    """A span as the query API tells it."""

    span_id: str
    parent_id: str | None
    name: str
    start_us: int
    duration_us: int
    tags: Mapping[str, Any]
    """Attributes, and ``span.kind``, ``error``, ``otel.status_code``, ``otel.status_description``."""
    process: Mapping[str, Any]
    """Resource attributes, and ``service.name``."""
    links: tuple[tuple[str, str], ...] = ()
    """Trace id and span id of each."""


@dataclass(frozen=True, kw_only=True)
class Jaeger:
    """Where the running Jaeger listens, and a way to ask it."""

    otlp_http: str
    """For ``telemetry.traces.endpoint`` with ``http/json`` and ``http/protobuf``."""
    otlp_grpc: str
    query: str

    def trace(self, trace_id: str, spans: int, timeout_s: float = 15.0) -> list[JaegerSpan]:
        """The spans of a trace, once at least ``spans`` of them have arrived."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self._ask(trace_id)
            if len(found) >= spans:
                return found
            assert time.monotonic() < deadline, f"Jaeger has {len(found)} of {spans} spans of trace {trace_id}"
            time.sleep(0.05)

    def _ask(self, trace_id: str) -> list[JaegerSpan]:
        try:
            with urllib.request.urlopen(f"{self.query}/api/traces/{trace_id}", timeout=5) as answer:
                document = orjson.loads(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return []
        return [_span(span, trace["processes"]) for trace in document["data"] for span in trace["spans"]]


def _span(span: dict[str, Any], processes: dict[str, Any]) -> JaegerSpan:
    parents = [reference["spanID"] for reference in span["references"] if reference["refType"] == "CHILD_OF"]
    process = processes[span["processID"]]
    return JaegerSpan(
        span_id=span["spanID"],
        parent_id=parents[0] if parents else None,
        name=span["operationName"],
        start_us=span["startTime"],
        duration_us=span["duration"],
        tags={tag["key"]: tag["value"] for tag in span["tags"]},
        process={"service.name": process["serviceName"]} | {tag["key"]: tag["value"] for tag in process["tags"]},
        links=tuple((reference["traceID"], reference["spanID"]) for reference in span["references"] if reference["refType"] == "FOLLOWS_FROM"),
    )


def find_binary() -> str | None:
    """``JAEGER_BIN``, else ``jaeger`` on PATH."""
    return os.environ.get("JAEGER_BIN") or shutil.which("jaeger")


@contextmanager
def jaeger(binary: str, log: Path) -> Iterator[Jaeger]:
    """A running Jaeger; its own words go to ``log``."""
    grpc, http, query = (f"127.0.0.1:{port}" for port in _free_ports(3))
    env = os.environ | {"JAEGER_OTLP_GRPC": grpc, "JAEGER_OTLP_HTTP": http, "JAEGER_QUERY": query}
    with log.open("wb") as sink, subprocess.Popen([binary, "--config", str(_CONFIG)], env=env, stdout=sink, stderr=subprocess.STDOUT) as process:
        try:
            running = Jaeger(otlp_http=f"http://{http}", otlp_grpc=f"http://{grpc}", query=f"http://{query}")
            _await_ready(process, (grpc, http, query), log)
            yield running
        finally:
            process.kill()  # it keeps nothing on disk, and its orderly end takes ten seconds


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _await_ready(process: subprocess.Popen[bytes], addresses: tuple[str, ...], log: Path) -> None:
    deadline = time.monotonic() + 30
    for address in addresses:
        host, port = address.split(":")
        while True:
            assert process.poll() is None, f"Jaeger ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"Jaeger does not listen on {address}: {log.read_text()[-2000:]}"
            try:
                socket.create_connection((host, int(port)), 1).close()
                break
            except OSError:
                time.sleep(0.05)
