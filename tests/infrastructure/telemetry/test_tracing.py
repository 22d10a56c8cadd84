from __future__ import annotations

import pytest

from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.telemetry.tracing import Protocol, TraceOptions, Tracer
from tests.infrastructure.telemetry.conftest import Read
from tests.servers.collector import collector

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_trace_continues_the_callers_even_if_the_caller_did_not_sample(metrics: Metrics) -> None:
    with collector() as running:
        tracer = Tracer(TraceOptions(service_version="1", endpoint=running.endpoint + "/", gather_s=0.01), metrics)
        trace = tracer.begin(f"00-{TRACE}-{PARENT}-00")
        client_id = trace.new_span_id()
        trace.add("step", 10, 20, {"number": 1}, "some.error")
        trace.add_client("call", 11, 19, None, None, client_id)
        tracer.finish(trace, "root", 9, 21, {"text": "ok"})
        step, call, root = running.wait_for(3)
        tracer.close()
    assert {span["traceId"] for span in (step, call, root)} == {TRACE}
    assert (root["spanId"], root["parentSpanId"], root["kind"]) == (trace.root_id, PARENT, 2)
    assert (step["parentSpanId"], step["kind"], step["startTimeUnixNano"], step["endTimeUnixNano"]) == (trace.root_id, 1, "10", "20")
    assert (call["spanId"], call["parentSpanId"], call["kind"]) == (client_id, trace.root_id, 3)
    assert step["status"] == {"code": 2, "message": "some.error"}
    assert {"key": "error.type", "value": {"stringValue": "some.error"}} in step["attributes"]
    assert "status" not in root


def test_the_header_for_the_next_service_names_the_client_span_and_is_sampled(metrics: Metrics) -> None:
    trace = Tracer(TraceOptions(service_version="1"), metrics).begin(f"00-{TRACE}-{PARENT}-00")
    assert trace.traceparent("b7ad6b7169203331") == f"00-{TRACE}-b7ad6b7169203331-01"
    assert trace.traceparent() == f"00-{TRACE}-{trace.root_id}-01"


def test_a_later_segment_has_a_root_of_its_own_that_is_linked_to_the_one_before(metrics: Metrics) -> None:
    with collector() as running:
        tracer = Tracer(TraceOptions(service_version="1", endpoint=running.endpoint, gather_s=0.01), metrics)
        first = tracer.begin(f"00-{TRACE}-{PARENT}-00")
        tracer.finish(first, "first", 1, 2)
        second = tracer.resume(first.traceparent())
        second.add("step", 10, 20)
        tracer.finish(second, "second", 9, 21)
        third = tracer.resume(second.traceparent())
        tracer.finish(third, "third", 30, 31)
        spans = {span["name"]: span for span in running.wait_for(4)}
        tracer.close()
    assert {span["traceId"] for span in spans.values()} == {TRACE}
    assert len({first.root_id, second.root_id, third.root_id}) == 3
    assert [spans[name].get("parentSpanId") for name in ("first", "second", "third", "step")] == [PARENT, None, None, second.root_id]
    assert [spans[name].get("links") for name in ("first", "step")] == [None, None]
    assert spans["second"]["links"] == [{"traceId": TRACE, "spanId": first.root_id}]
    assert spans["third"]["links"] == [{"traceId": TRACE, "spanId": second.root_id}]


@pytest.mark.parametrize("stored", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01"])
def test_what_is_no_traceparent_resumes_as_a_trace_of_its_own(metrics: Metrics, stored: str) -> None:
    trace = Tracer(TraceOptions(service_version="1"), metrics).resume(stored)
    finished = trace.finished(("root", 1, 2, None, None, trace.root_id, 2))
    assert (len(trace.trace_id), finished.parent_id, finished.link_id) == (32, None, None)


def test_without_an_endpoint_traces_have_ids_and_nothing_is_sent_or_counted(metrics: Metrics, read: Read) -> None:
    tracer = Tracer(TraceOptions(service_version="1"), metrics)
    trace = tracer.begin("nonsense")
    tracer.finish(trace, "root", 1, 2)
    tracer.close()
    assert len(trace.trace_id) == 32
    assert read("gateway_telemetry_spans_exported_total") == read("gateway_telemetry_spans_dropped_total", reason="queue_full") == 0


def test_every_protocol_makes_a_tracer_that_closes_in_time_without_a_collector(metrics: Metrics, read: Read) -> None:
    with collector() as gone:
        endpoint = gone.endpoint
    for protocol in Protocol:
        tracer = Tracer(TraceOptions(service_version="1", endpoint=endpoint, protocol=protocol, gather_s=0.01, timeout_s=0.2), metrics)
        tracer.finish(tracer.begin(None), "root", 1, 2)
        tracer.close(5)
    lost = sum(read("gateway_telemetry_spans_dropped_total", reason=reason) for reason in ("unreachable", "shutdown"))
    assert lost == len(Protocol)
