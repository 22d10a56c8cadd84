from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.infrastructure.telemetry.exporting import Outcome
from gateway.infrastructure.telemetry.otlp_sdk import SdkSender
from gateway.infrastructure.telemetry.spans import Attributes, Finished, Resource
from tests.servers.collector import Collector, collector

TRACE, ROOT, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331"


@pytest.fixture
def running() -> Iterator[Collector]:
    with collector() as one:
        one.answer = b""
        yield one


def finished(attributes: Attributes | None, error: str | None) -> Finished:
    return Finished(TRACE, PARENT, ("root", 1, 9, {}, None, ROOT, 2), ROOT, [("step", 2, 3, attributes, error, None, 3)])


def test_protobuf_says_what_the_tuples_said(running: Collector) -> None:
    sender = SdkSender(running.endpoint, "http/protobuf", Resource("1", "one"), 5)
    attributes: Attributes = {"text": "a\ud800b", "big": 1 << 64, "yes": True, "list": ["a", "b"], "gone": None, "half": 0.5, "nan": math.nan}
    assert sender.send([sender.encode(finished(attributes, "upstream.timeout"))]) == (Outcome.SENT, 0)
    sender.close()
    request = ExportTraceServiceRequest.FromString(running.bodies[0])
    step, root = request.resource_spans[0].scope_spans[0].spans
    values = {one.key: one.value for one in step.attributes}
    assert values.keys() == {"text", "big", "yes", "list", "half", "nan", "error.type"}
    assert (values["text"].string_value, values["big"].string_value, values["nan"].string_value) == ("a?b", "out of range", "nan")
    assert (values["yes"].bool_value, values["half"].double_value) == (True, 0.5)
    assert [item.string_value for item in values["list"].array_value.values] == ["a", "b"]
    assert (step.parent_span_id.hex(), step.kind, step.status.message, step.status.code) == (ROOT, 3, "upstream.timeout", 2)
    assert (root.trace_id.hex(), root.span_id.hex(), root.parent_span_id.hex(), root.kind) == (TRACE, ROOT, PARENT, 2)
    assert (root.start_time_unix_nano, root.end_time_unix_nano, root.status.code) == (1, 9, 0)


def test_a_linked_root_has_its_link_in_protobuf_and_nothing_else_has_one(running: Collector) -> None:
    sender = SdkSender(running.endpoint, "http/protobuf", Resource("1", "one"), 5)
    sender.send([sender.encode(finished(None, None)._replace(parent_id=None, link_id=PARENT))])
    sender.close()
    step, root = ExportTraceServiceRequest.FromString(running.bodies[0]).resource_spans[0].scope_spans[0].spans
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in root.links] == [(TRACE, PARENT)]
    assert (root.parent_span_id, list(step.links)) == (b"", [])


def test_a_refusal_is_an_outcome_and_not_an_exception(running: Collector) -> None:
    running.status = 400
    sender = SdkSender(running.endpoint, "http/protobuf", Resource("1", "one"), 5)
    assert sender.send([sender.encode(finished(None, None))]) == (Outcome.FAILED, 0)
    sender.close()


def test_a_dead_collector_is_an_outcome_too() -> None:
    with collector() as gone:
        endpoint = gone.endpoint
    sender = SdkSender(endpoint, "grpc", Resource("1", "one"), 0.2)
    assert sender.send([sender.encode(finished(None, None))]) == (Outcome.FAILED, 0)
    sender.close()
