"""A real Jaeger shows the tree that the tracer was given, whichever protocol carried it."""

from __future__ import annotations

import time

import pytest

from gateway.domain import Attempt, Usage
from gateway.infrastructure.telemetry import semconv
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.telemetry.spans import Attributes
from gateway.infrastructure.telemetry.tracing import Protocol, TraceOptions, Tracer
from tests.servers.jaeger_server import Jaeger

pytestmark = pytest.mark.services

PARENT = "00f067aa0ba902b7"


@pytest.fixture(params=list(Protocol), ids=str)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return Protocol(request.param)


def endpoint(jaeger: Jaeger, protocol: Protocol) -> str:
    return jaeger.otlp_grpc if protocol is Protocol.GRPC else jaeger.otlp_http


def test_jaeger_shows_names_parents_kinds_attributes_status_and_times_of_a_trace(jaeger: Jaeger, protocol: Protocol) -> None:
    metrics = Metrics()
    tracer = Tracer(TraceOptions(service_version="1.2.3", endpoint=endpoint(jaeger, protocol), protocol=protocol, instance_id="one"), metrics)
    seed = tracer.begin(None).trace_id
    trace = tracer.begin(f"00-{seed}-{PARENT}-00")
    start = time.time_ns()
    chat = semconv.ChatSpan("simulated", "simulated-1", "http://127.0.0.1:9101/v1")
    attempt = Attempt(
        target="simulated", model="simulated-1", started_ns=start, ended_ns=start + 4_000_000, status=200, usage=Usage(12, 34, False), finish_reason="stop"
    )
    client_id = trace.new_span_id()
    trace.add(semconv.step_name("inspect"), start, start + 1_000_000, {semconv.FINDINGS: 2, semconv.FINDING_CATEGORIES: ["CREDIT_CARD", "EMAIL_ADDRESS"]})
    trace.add(semconv.step_name("screen"), start + 1, start + 2_000_000, {"odd": 'a "quoted" \\ line\nand ü \U0001f600'}, "policy_denied")
    trace.add_client(chat.name, start, start + 4_000_000, chat.attributes({"temperature": 0.25, "max_tokens": 100, "stream": True}, attempt), None, client_id)
    facts = semconv.IntentFacts(intent_id="int_1", tenant="acme", route="assistant", state="refused", status=403)
    tracer.finish(trace, semconv.ROOT_CHAT, start, start + 5_000_000, semconv.root_attributes(facts), "policy_denied")
    tracer.close(10)

    spans = {span.name: span for span in jaeger.trace(seed, 4)}

    root, inspect, screen, client = (spans[name] for name in (semconv.ROOT_CHAT, semconv.step_name("inspect"), semconv.step_name("screen"), "chat simulated-1"))
    assert len(spans) == 4
    assert (root.span_id, root.parent_id) == (trace.root_id, PARENT)
    assert {inspect.parent_id, screen.parent_id, client.parent_id} == {trace.root_id}
    assert client.span_id == client_id
    assert [span.tags["span.kind"] for span in (root, client)] == ["server", "client"]
    assert inspect.tags.get("span.kind", "internal") == "internal"
    assert (inspect.start_us, inspect.duration_us) == (start // 1000, 1000)
    assert inspect.tags["gateway.findings"] == 2
    assert inspect.tags["gateway.finding_categories"] == '["CREDIT_CARD","EMAIL_ADDRESS"]'
    assert screen.tags["odd"] == 'a "quoted" \\ line\nand ü \U0001f600'
    assert (screen.tags["otel.status_code"], screen.tags["otel.status_description"], screen.tags["error.type"]) == ("ERROR", "policy_denied", "policy_denied")
    assert "error" not in inspect.tags
    assert (root.tags["gateway.intent.id"], root.tags["http.response.status_code"], root.tags["error"]) == ("int_1", 403, True)
    assert (
        client.tags.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "simulated-1",
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.max_tokens": 100,
            "gen_ai.request.stream": True,
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 34,
            "server.address": "127.0.0.1",
            "server.port": 9101,
        }.items()
    )
    assert client.tags["gen_ai.response.finish_reasons"] == '["stop"]'
    assert root.process.items() >= {"service.name": "execution-gateway", "service.version": "1.2.3", "service.instance.id": "one"}.items()
    assert "gateway_telemetry_spans_exported_total 4.0" in metrics.render()[0].decode()


def test_jaeger_shows_the_segments_of_an_intent_that_waited_as_one_trace_with_links(jaeger: Jaeger, protocol: Protocol) -> None:
    options = TraceOptions(service_version="1", endpoint=endpoint(jaeger, protocol), protocol=protocol)
    here = Tracer(options, Metrics())
    first = here.begin(None)
    first.add(semconv.step_name("hold"), 10_000, 11_000)
    here.finish(first, semconv.ROOT_CHAT, 10_000, 20_000, semconv.root_attributes(semconv.IntentFacts(state="parked", task="tsk_1", holds=1)))
    here.close(10)
    elsewhere = Tracer(options, Metrics())  # another process, weeks later
    second = elsewhere.resume(first.traceparent())
    second.add(semconv.step_name("decide"), 910_000_000, 911_000_000)
    facts = semconv.IntentFacts(state="completed", task="tsk_1", queue="approvals", mode="approve", holds=1)
    elsewhere.finish(second, semconv.ROOT_CHAT, 910_000_000, 920_000_000, semconv.root_attributes(facts))
    elsewhere.close(10)

    spans = {span.span_id: span for span in jaeger.trace(first.trace_id, 4)}

    roots = [spans[first.root_id], spans[second.root_id]]
    assert len(spans) == 4
    assert [root.parent_id for root in roots] == [None, None]
    assert [root.links for root in roots] == [(), ((first.trace_id, first.root_id),)]
    assert [root.tags["gateway.intent.state"] for root in roots] == ["parked", "completed"]
    assert [root.tags.get("gateway.task.queue") for root in roots] == [None, "approvals"]
    assert {span.name: span.parent_id for span in spans.values() if span not in roots} == {"gateway.hold": first.root_id, "gateway.decide": second.root_id}
    assert not any(span.links for span in spans.values() if span not in roots)


def test_jaeger_takes_hundreds_of_traces_with_hostile_values_and_loses_none(jaeger: Jaeger, protocol: Protocol) -> None:
    metrics = Metrics()
    tracer = Tracer(TraceOptions(service_version="1", endpoint=endpoint(jaeger, protocol), protocol=protocol), metrics)
    hostile: Attributes = {
        "lone surrogate": "a\ud800b",
        "huge": 1 << 80,
        "nan": float("nan"),
        "inf": float("-inf"),
        "empty": "",
        "none": None,
        "nul": "\x00\x1f\x7f",
    }
    traces = [tracer.begin(None) for _ in range(300)]
    for trace in traces:
        trace.add(semconv.step_name("decide"), 1, 2, hostile)
        tracer.finish(trace, semconv.ROOT_CHAT, 1, 2)
    tracer.close(30)
    assert "gateway_telemetry_spans_exported_total 600.0" in metrics.render()[0].decode()
    for trace in (traces[0], traces[150], traces[-1]):
        spans = {span.name: span for span in jaeger.trace(trace.trace_id, 2)}
        assert spans[semconv.step_name("decide")].tags["lone surrogate"] == "a?b"
        assert spans[semconv.step_name("decide")].tags["huge"] == "out of range"
        assert spans[semconv.step_name("decide")].tags["inf"] == "-inf"
        assert "none" not in spans[semconv.step_name("decide")].tags
