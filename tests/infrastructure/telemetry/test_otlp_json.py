from __future__ import annotations

import math
import socket
import threading
from typing import Any

import orjson
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped] # no stubs among the locked packages
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.domain import State
from gateway.infrastructure.telemetry.exporting import Outcome
from gateway.infrastructure.telemetry.otlp_json import JsonSender, encode_attributes, encode_trace
from gateway.infrastructure.telemetry.spans import Attributes, Finished, Resource
from tests.servers.collector import collector

VALUES = st.one_of(st.text(), st.booleans(), st.integers(), st.floats(), st.lists(st.text()), st.none())
TRACE, ROOT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def finished(attributes: Attributes | None, error: str | None = None, name: str = "step") -> Finished:
    return Finished(TRACE, None, ("root", 1, 2, {}, None, ROOT, 2), ROOT, [(name, 1, 2, attributes, error, None, 1)])


def decoded(value: dict[str, Any]) -> object:
    """A value as a collector reads it."""
    [(kind, inside)] = value.items()
    if kind == "intValue":
        return int(inside)
    return [item["stringValue"] for item in inside["values"]] if kind == "arrayValue" else inside


def expected(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 63:
        return "out of range"
    return [expected(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), VALUES), st.text())
def test_any_attributes_become_json_that_says_the_same(attributes: dict[str, Any], name: str) -> None:
    step, root = orjson.loads(b"[" + encode_trace(finished(attributes, name=name)) + b"]")
    assert step["name"] == expected(name)
    assert [(one["key"], decoded(one["value"])) for one in step["attributes"]] == [
        (expected(key), expected(value)) for key, value in attributes.items() if value is not None
    ]
    assert (step["parentSpanId"], root["spanId"], "parentSpanId" in root) == (ROOT, ROOT, False)


@given(st.dictionaries(st.text(), VALUES))
def test_the_body_is_a_request_of_the_protocol(attributes: dict[str, Any]) -> None:
    sender = JsonSender("http://127.0.0.1:1", Resource("1", "one"), 1)
    request = ExportTraceServiceRequest()
    json_format.Parse(sender.body([sender.encode(finished(attributes))] * 2), request)
    [resource] = request.resource_spans
    assert {one.key: one.value.string_value for one in resource.resource.attributes} == {
        "service.name": "execution-gateway",
        "service.version": "1",
        "service.instance.id": "one",
    }
    assert [span.name for span in resource.scope_spans[0].spans] == ["step", "root"] * 2


def test_a_link_is_one_of_the_protocol() -> None:
    linked = finished({"n": 1}, "some.error")._replace(link_id="b7ad6b7169203331")
    sender = JsonSender("http://127.0.0.1:1", Resource("1", "one"), 1)
    request = ExportTraceServiceRequest()
    json_format.Parse(sender.body([sender.encode(linked), sender.encode(finished(None))]).decode(), request)
    step, root, *others = request.resource_spans[0].scope_spans[0].spans
    assert len(root.links) == 1
    assert not any(span.links for span in (step, *others))
    json_root = orjson.loads(b"[" + encode_trace(linked) + b"]")[1]
    assert json_root["links"] == [{"traceId": TRACE, "spanId": "b7ad6b7169203331"}]


def test_values_of_other_types_never_fail() -> None:
    odd: Any = {"enum": State.COMPLETED, "bytes": b"raw", "mapping": {"a": 1}, "mixed": ["a", 1, None]}
    values = {one["key"]: decoded(one["value"]) for one in orjson.loads(f"[{encode_attributes(odd)}]")}
    assert values == {"enum": "completed", "bytes": "bytes", "mapping": "dict", "mixed": ["a", "1", "None"]}


@pytest.mark.parametrize(("error", "told"), [("upstream.timeout", "upstream.timeout"), ("no such user anna@example.com", "unknown"), ("x" * 65, "unknown")])
def test_an_error_is_told_by_its_code_and_never_by_a_message(error: str, told: str) -> None:
    step = orjson.loads(b"[" + encode_trace(finished(None, error)) + b"]")[0]
    assert step["status"] == {"code": 2, "message": told}
    assert step["attributes"] == [{"key": "error.type", "value": {"stringValue": told}}]


def test_an_error_type_that_is_given_stands() -> None:
    step = orjson.loads(b"[" + encode_trace(finished({"error.type": "429"}, "upstream.rate_limited")) + b"]")[0]
    assert step["attributes"] == [{"key": "error.type", "value": {"stringValue": "429"}}]


@pytest.mark.parametrize("endpoint", ["ftp://127.0.0.1", "127.0.0.1:4318", "http://"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="telemetry endpoint"):
        JsonSender(endpoint, Resource("1", "one"), 1)


def test_a_connection_that_the_collector_closed_while_idle_is_replaced_at_once() -> None:
    with collector() as running:
        sender = JsonSender(running.endpoint, Resource("1", "one"), 5)
        piece = sender.encode(finished(None))
        assert sender.send([piece]) == (Outcome.SENT, 0)
        assert sender._connection._socket is not None
        sender._connection._socket.shutdown(socket.SHUT_RDWR)
        assert sender.send([piece]) == (Outcome.SENT, 0)
        sender.close()
        assert (len(running.spans()), running.connections) == (4, 2)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", (Outcome.SENT, 0)),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", (Outcome.SENT, 0)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (Outcome.SENT, 0)),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (Outcome.SENT, 0)),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n"rejectedSpans"!', (Outcome.SENT, 0)),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", (Outcome.REFUSED, 0)),
        (b"", (Outcome.FAILED, 0)),
        (b"HTTP/1.1 200", (Outcome.FAILED, 0)),
        (b"SSH-2.0-OpenSSH\r\n", (Outcome.FAILED, 0)),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n" + b"x" * 1_000_000, (Outcome.FAILED, 0)),
    ],
)
def test_every_kind_of_answer_has_its_outcome(answer: bytes, outcome: tuple[Outcome, int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                try:
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)
                except OSError:
                    return  # the sender had enough

        thread = threading.Thread(target=serve)
        thread.start()
        sender = JsonSender(f"http://127.0.0.1:{server.getsockname()[1]}", Resource("1", "one"), 5)
        assert sender.send([sender.encode(finished(None))]) == outcome
        sender.close()
        thread.join()
