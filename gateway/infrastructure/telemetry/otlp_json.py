"""OTLP/JSON over one kept-alive connection: the default way to the collector.

Spans become text through prepared pieces and the C escaper of ``json``: a third of what encoding a tree of dicts would cost. The format is
that of opentelemetry-proto's JSON mapping: ids in hexadecimal, 64-bit integers as strings, enumerations as numbers.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import time
from collections.abc import Sequence
from json.encoder import encode_basestring as escape
from urllib.parse import urlsplit

import httptools
import orjson

from gateway.infrastructure.telemetry import traceparent
from gateway.infrastructure.telemetry.exporting import Outcome
from gateway.infrastructure.telemetry.semconv import ERROR_TYPE, error_code
from gateway.infrastructure.telemetry.spans import SCHEMA_URL, SCOPE, Attributes, AttributeValue, Finished, Resource, Span

_RETRYABLE = frozenset({429, 502, 503, 504})
"""OTLP/HTTP, "Retryable Response Codes"; any other failure is final."""
_ANSWER_LIMIT = 65_536
_INT64 = 1 << 63
_MAX_KEYS = 4096


class _Heads(dict[str, str]):
    """The text before an attribute's value, prepared once per name."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, key: str) -> str:
        head = f'{{"key":{escape(key)},"value":{{"{self._kind}":'
        if len(self) < _MAX_KEYS:
            self[key] = head
        return head


_STRING, _INT, _DOUBLE, _BOOL, _ARRAY = (_Heads(kind) for kind in ("stringValue", "intValue", "doubleValue", "boolValue", "arrayValue"))


def _attribute(key: str, value: AttributeValue) -> str:
    """Anything but a plain ``str`` or ``int``; unknown types give their type's name, so that one bad value never costs a request."""
    if isinstance(value, bool):
        return f"{_BOOL[key]}{'true' if value else 'false'}}}}}"
    if isinstance(value, int):
        return f'{_INT[key]}"{int(value)}"}}}}' if -_INT64 <= value < _INT64 else f'{_STRING[key]}"out of range"}}}}'
    if isinstance(value, float):
        return f"{_DOUBLE[key]}{value!r}}}}}" if math.isfinite(value) else f'{_STRING[key]}"{value}"}}}}'
    if isinstance(value, str):
        return f"{_STRING[key]}{escape(value)}}}}}"
    if isinstance(value, list | tuple):
        items = ",".join([f'{{"stringValue":{escape(str(item))}}}' for item in value])
        return f'{_ARRAY[key]}{{"values":[{items}]}}}}}}'
    return f"{_STRING[key]}{escape(type(value).__name__)}}}}}"


def encode_attributes(attributes: Attributes) -> str:
    """A JSON array's inside: one KeyValue per attribute that is not ``None``."""
    return ",".join(
        [f"{_STRING[key]}{escape(value)}}}}}" if type(value) is str else _attribute(key, value) for key, value in attributes.items() if value is not None]
    )


def _encode_span(trace_id: str, parent_id: str | None, span: Span, link_id: str | None = None) -> str:
    name, start_ns, end_ns, attributes, error, span_id, kind = span
    inside = encode_attributes(attributes) if attributes else ""
    status = ""
    if error is not None:
        code = error_code(error)
        status = f',"status":{{"code":2,"message":"{code}"}}'
        if attributes is None or ERROR_TYPE not in attributes:
            inside = f'{inside}{"," if inside else ""}{_STRING[ERROR_TYPE]}"{code}"}}}}'
    parent = f'"parentSpanId":"{parent_id}",' if parent_id else ""
    links = f',"links":[{{"traceId":"{trace_id}","spanId":"{link_id}"}}]' if link_id else ""
    return (
        f'{{"traceId":"{trace_id}","spanId":"{span_id or traceparent.new_span_id()}",{parent}"name":{escape(name)},"kind":{kind},'
        f'"startTimeUnixNano":"{start_ns}","endTimeUnixNano":"{end_ns}","flags":1,"attributes":[{inside}]{links}{status}}}'
    )


def encode_trace(trace: Finished) -> bytes:
    """The spans of a trace, separated by commas. A lone surrogate, which no collector takes, becomes a question mark."""
    trace_id, root_id = trace.trace_id, trace.root_id
    spans = [_encode_span(trace_id, root_id, span) for span in trace.children]
    spans.append(_encode_span(trace_id, trace.parent_id, trace.root, trace.link_id))
    return ",".join(spans).encode("utf-8", "replace")


class JsonSender:
    """Posts to ``<endpoint>/v1/traces``."""

    batch_spans = 512

    def __init__(self, endpoint: str, resource: Resource, timeout_s: float) -> None:
        self._connection = _Connection(f"{endpoint}/v1/traces", timeout_s)
        head = (
            f'{{"resourceSpans":[{{"resource":{{"attributes":[{encode_attributes(resource.attributes())}]}},"schemaUrl":"{SCHEMA_URL}",'
            f'"scopeSpans":[{{"scope":{{"name":"{SCOPE}","version":{escape(resource.service_version)}}},"schemaUrl":"{SCHEMA_URL}","spans":['
        )
        self._head = head.encode("utf-8", "replace")

    def encode(self, trace: Finished) -> bytes:
        """One trace as JSON text."""
        return encode_trace(trace)

    def body(self, pieces: Sequence[bytes]) -> bytes:
        """An ExportTraceServiceRequest of encoded traces."""
        return b"".join((self._head, b",".join(pieces), b"]}]}]}"))

    def send(self, pieces: Sequence[bytes]) -> tuple[Outcome, int]:
        """One POST; an answer that says that spans were rejected gives their number."""
        try:
            status, answer = self._connection.post(self.body(pieces))
        except (OSError, httptools.HttpParserError, ValueError):
            self._connection.close()
            return Outcome.FAILED, 0
        if 200 <= status < 300:
            return Outcome.SENT, _rejected(answer)
        return (Outcome.FAILED if status in _RETRYABLE else Outcome.REFUSED), 0

    def close(self) -> None:
        """Close the connection; a request under way fails."""
        self._connection.close()


def _rejected(answer: bytes) -> int:
    """``partialSuccess.rejectedSpans`` of the answer, 0 where it says nothing."""
    if b"rejectedSpans" not in answer:
        return 0
    try:
        return max(int(orjson.loads(answer)["partialSuccess"]["rejectedSpans"]), 0)
    except (ValueError, TypeError, KeyError):
        return 0


class _Answer:
    """Collects what httptools parses."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False
        self.parser = httptools.HttpResponseParser(self)
        self.keep_alive: bool | None = None
        """Known once the headers have come."""

    def on_headers_complete(self) -> None:
        self.keep_alive = self.parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        if len(self.body) < _ANSWER_LIMIT:
            self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


class _Connection:
    """One HTTP/1.1 connection with a limit on the whole exchange, which a server that drips bytes cannot stretch."""

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"telemetry endpoint {url!r}: expected http://HOST:PORT or https://HOST:PORT")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\nUser-Agent: execution-gateway\r\n"

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError (also on time-out) and httptools.HttpParserError."""
        deadline = time.monotonic() + self._timeout_s
        message = f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body
        if self._socket is not None:
            try:
                return self._exchange(self._socket, message, deadline)
            except ConnectionError:
                self.close()  # the server may have closed an idle connection: once more on a new one
        return self._exchange(self._connect(), message, deadline)

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), self._timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = self._tls.wrap_socket(plain, server_hostname=self._host) if self._tls else plain
        return self._socket

    def _exchange(self, connection: socket.socket, message: bytes, deadline: float) -> tuple[int, bytes]:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        connection.sendall(message)  # the limit of sendall is one for the whole message
        answer = _Answer()
        received = 0
        while not answer.complete:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            data = connection.recv(65_536)
            received += len(data)
            if not data and answer.keep_alive is False:
                break  # HTTP/1.0: the end of the connection is the end of the answer
            if not data or received > 4 * _ANSWER_LIMIT:
                raise ConnectionResetError("the collector closed the connection or answered without end")
            answer.parser.feed_data(data)
        if not answer.keep_alive:
            self.close()
        return answer.parser.get_status_code(), answer.body

    def close(self) -> None:
        """Close the socket; a call that waits on it in another thread fails."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(OSError):  # it may be gone already
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
