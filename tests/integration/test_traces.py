"""The trace of an intent as a real Jaeger shows it: the expected tree for every way that an intent can end, and content nowhere unless asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from gateway.testing import ALLOW_ALL, LocalGateway, Reply, Routing, local_gateway
from tests.pipeline.rego import READS_TEXT, answer_says, intent_says
from tests.servers.collector import Collector
from tests.servers.jaeger_server import Jaeger, JaegerSpan

ROOT = "POST /v1/chat/completions"
CHAT = "chat simulated-1"
BEGIN = ["gateway.identify", "gateway.admit"]
JUDGED = [*BEGIN, "gateway.resolve", "gateway.inspect", "gateway.decide"]
SENT = [*JUDGED, "gateway.assemble", "gateway.open", CHAT]
WHOLE = [*SENT, "gateway.screen", "gateway.close"]

DENY = {"outcome": "deny", "reasons": [{"rule": "closed_today", "message": "we are closed today"}], "obligations": {}}
PERSONAL = "write to jane.doe@example.com about sk-" + "proj-Zx9" + "Qw3Er5Ty7Ui9Op1As3Df5Gh7Jk9Lz1Xc3Vb5Nm7"


class Case(NamedTuple):
    """How an intent ends, and what its trace is then."""

    name: str
    status: int
    steps: list[str]
    state: str
    reason: str | None = None
    policies: dict[str, str] = ALLOW_ALL
    fault: str = ""
    model: str = "assistant"


CASES = [
    Case("answered", 200, WHOLE, "completed"),
    Case("refused by the intent policy", 403, [*JUDGED, "gateway.close"], "refused", "closed_today", intent_says(DENY)),
    Case("refused by the answer policy", 403, WHOLE, "refused", "closed_today", answer_says(DENY)),
    Case("no such model", 404, [*BEGIN, "gateway.resolve", "gateway.close"], "refused", "model_not_found", model="none"),
    Case("the target fails", 502, [*SENT, "gateway.close"], "failed", "upstream.unavailable", fault="{status: 500}"),
    Case("the target limits the rate", 429, [*SENT, "gateway.close"], "failed", "upstream.rate_limited", fault="{status: 429}"),
    Case("the target hangs up", 502, [*SENT, "gateway.close"], "failed", "upstream.unavailable", fault="{reset: before}"),
]


@asynccontextmanager
async def traced(
    folder: Path, endpoint: str, *, capture: bool = False, script: str = "", policies: dict[str, str] = ALLOW_ALL, routing: Routing | None = None
) -> AsyncIterator[LocalGateway]:
    telemetry = f"{{traces: {{endpoint: '{endpoint}', capture_content: {str(capture).lower()}}}, logs: {{level: error}}}}"
    async with local_gateway(folder, script, policies=policies, telemetry=telemetry, routing=routing) as local:
        yield local


def tree(jaeger: Jaeger, reply: Reply, spans: int) -> tuple[JaegerSpan, dict[str, JaegerSpan], list[str]]:
    """The root, the spans by name, and the names of the root's children in the order of time."""
    found = jaeger.trace(reply.headers["x-gateway-trace"], spans)
    by_name = {span.name: span for span in found}
    root = by_name[ROOT]
    assert len(by_name) == len(found)
    assert all(span.parent_id == root.span_id for span in found if span is not root)
    children = sorted((span for span in found if span is not root), key=lambda span: (span.start_us, span.start_us + span.duration_us))
    assert all(root.start_us <= span.start_us for span in children)
    assert all(span.start_us + span.duration_us <= root.start_us + root.duration_us + 1 for span in children)
    return root, by_name, [span.name for span in children]


def everything(spans: Iterable[JaegerSpan]) -> str:
    return "".join(f"{span.name} {dict(span.tags)} {dict(span.process)}" for span in spans)


@pytest.mark.services
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_tree_of_an_intent_has_a_span_for_each_step_of_its_path(tmp_path: Path, jaeger: Jaeger, case: Case, stream: bool) -> None:
    script = f"rules: [{{fault: {case.fault}}}]" if case.fault else ""
    async with traced(tmp_path, jaeger.otlp_http, script=script, policies=case.policies) as local:
        reply = await local.chat({"model": case.model, "stream": stream, "messages": [{"role": "user", "content": PERSONAL}]})
        root, spans, names = tree(jaeger, reply, len(case.steps) + 1)
    assert sorted(names) == sorted(case.steps)
    assert [name for name in names if name != CHAT] == [name for name in case.steps if name != CHAT]
    passed_before_it_failed = stream and case.name == "refused by the answer policy"
    assert reply.status == (200 if passed_before_it_failed else case.status)
    assert root.parent_id is None
    assert (root.tags["span.kind"], root.tags["http.response.status_code"], root.tags["gateway.intent.state"]) == ("server", case.status, case.state)
    assert (root.tags["gateway.intent.id"], root.tags["gateway.tenant"]) == (reply.headers["x-gateway-record"], "acme")
    assert (root.tags.get("error"), root.tags.get("error.type")) == ((None, None) if case.reason is None else (True, case.reason))
    if CHAT in spans:
        chat = spans[CHAT]
        assert chat.tags["span.kind"] == "client"
        assert chat.tags.get("error.type") == (case.reason if case.fault else None)
        assert local.provider.requests[0].headers["traceparent"] == f"00-{reply.headers['x-gateway-trace']}-{chat.span_id}-01"
    assert "jane.doe" not in everything(spans.values())
    assert "Zx9Qw3" not in everything(spans.values())
    assert "gen_ai.input.messages" not in everything(spans.values())


@pytest.mark.services
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_the_spans_tell_what_was_found_decided_and_used_by_the_names_of_the_conventions(tmp_path: Path, jaeger: Jaeger, stream: bool) -> None:
    async with traced(tmp_path, jaeger.otlp_http) as local:
        reply = await local.ask(PERSONAL, stream=stream, temperature=0.5, max_tokens=77, stop=["jane.doe@example.com"])
        root, spans, _ = tree(jaeger, reply, len(WHOLE) + 1)
        port = int(local.provider.base_url.split(":")[2].split("/")[0])
        revision = local.gateway.services.policy.revision
    assert root.tags.items() >= {"gateway.route": "assistant", "gateway.target": "simulated", "gateway.policy.revision": revision}.items()
    assert root.tags.get("gateway.intent.stream_mode") == ("pass" if stream else None)
    assert spans["gateway.resolve"].tags["gateway.route"] == "assistant"
    assert orjson.loads(spans["gateway.inspect"].tags["gateway.finding_categories"]) == ["EMAIL_ADDRESS", "SECRET"]
    for name, hook in (("gateway.decide", "intent"), ("gateway.screen", "answer")):
        assert spans[name].tags.items() >= {"gateway.policy.hook": hook, "gateway.policy.outcome": "allow", "gateway.policy.revision": revision}.items()
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "simulated-1",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 77,
        "gen_ai.response.model": "simulated-1",
        "gen_ai.response.finish_reasons": '["stop"]',
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    chat = spans[CHAT].tags
    assert chat.items() >= told.items()
    assert chat["gen_ai.usage.input_tokens"] > 0
    assert chat["gen_ai.usage.output_tokens"] > 0
    assert chat["gen_ai.response.id"].startswith("chatcmpl-simulated-")
    assert chat.get("gen_ai.request.stream", False) is stream


MENDING = """
rules:
  - {when: {model: simulated-1}, fault: {status: 500}}
  - {when: {model: simulated-2}, reply: '{"canary": 1}', usage: {input: 10, output: 5}}
  - {reply: '{"city": "Utrecht"}', usage: {input: 20, output: 5}}
"""
PRICE = "price: {input_usd_per_mtok: 1000, output_usd_per_mtok: 2000}"
MENDED = Routing(
    assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 0}, repair: {asks: 1, target: third}, confidence: {}}",
    targets={name: f"model: simulated-{at}, {PRICE}" for at, name in ((2, "second"), (3, "third"))},
)
PLACE = {"type": "json_schema", "json_schema": {"name": "place", "schema": {"type": "object", "required": ["city"]}}}


@pytest.mark.services
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_every_call_of_a_target_is_a_span_with_its_purpose_and_the_root_has_what_they_came_to(tmp_path: Path, jaeger: Jaeger, stream: bool) -> None:
    async with traced(tmp_path, jaeger.otlp_http, script=MENDING, routing=MENDED) as local:
        reply = await local.ask("where?", stream=stream, response_format=PLACE)
        root, spans, names = tree(jaeger, reply, len(WHOLE) + 4)
    assert sorted(names) == sorted([*WHOLE, "chat simulated-2", "chat simulated-3", "gateway.assess"])
    calls = [spans[f"chat simulated-{at}"] for at in (1, 2, 3)]
    told = [[call.tags.get(name) for name in ("gateway.target", "gateway.attempt.purpose", "error.type", "gateway.cost_microusd")] for call in calls]
    assert told == [["simulated", "first", "upstream.unavailable", None], ["second", "fallback", None, 20_000], ["third", "repair", None, 30_000]]
    assert [call.tags.get("error") for call in calls] == [True, None, None]
    assert [request.headers["traceparent"].split("-")[2] for request in local.provider.requests] == [call.span_id for call in calls]
    came_to = {"gateway.attempts": 3, "gateway.cost_microusd": 50_000, "gateway.target": "third", "gateway.fallback": True, "gateway.schema_valid": True}
    assert root.tags.items() >= came_to.items()
    assert root.tags.get("error") is None
    assert spans["gateway.assess"].tags.items() >= {"gateway.schema_valid": True, "gateway.repairs": 1, "gateway.fallback": True}.items()
    assert root.tags["gateway.confidence"] == spans["gateway.assess"].tags["gateway.confidence"]
    assert "canary" not in everything(spans.values())


@pytest.mark.services
async def test_the_callers_traceparent_is_the_parent_of_the_root(tmp_path: Path, jaeger: Jaeger) -> None:
    async with traced(tmp_path, jaeger.otlp_http) as local:
        seed = local.gateway.services.tracer.begin(None).trace_id
        body = {"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}
        reply = await local.chat(body, headers={"traceparent": f"00-{seed}-00f067aa0ba902b7-01"})
        root, _, _ = tree(jaeger, reply, len(WHOLE) + 1)
    assert reply.headers["x-gateway-trace"] == seed
    assert root.parent_id == "00f067aa0ba902b7"


@pytest.mark.services
@pytest.mark.parametrize("policies", [ALLOW_ALL, READS_TEXT], ids=["pass", "buffered"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_content_that_the_config_asks_for_is_redacted_as_for_the_record(tmp_path: Path, jaeger: Jaeger, policies: dict[str, str], stream: bool) -> None:
    async with traced(tmp_path, jaeger.otlp_http, capture=True, policies=policies) as local:
        reply = await local.ask(PERSONAL, stream=stream)
        _, spans, _ = tree(jaeger, reply, len(WHOLE) + 1)
    chat = spans[CHAT].tags
    for name in ("gen_ai.input.messages", "gen_ai.output.messages"):
        (message,) = orjson.loads(chat[name])
        text = message["parts"][0]["content"]
        assert text.startswith("write to <EMAIL_ADDRESS_")
        assert text.endswith("about <SECRET>")
    assert "jane.doe" not in everything(spans.values())
    assert "Zx9Qw3" not in everything(spans.values())


def value(local: LocalGateway, series: str) -> float:
    lines = local.gateway.services.metrics.render()[0].decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series))


@pytest.mark.parametrize("kind", ["dead", "hang", "drip", "reset", "refusing", "not there"])
async def test_a_collector_in_trouble_costs_an_intent_nothing_and_what_was_dropped_is_counted(tmp_path: Path, kind: str) -> None:
    collector = Collector()
    endpoint = "http://gateway-test.invalid:4318" if kind == "not there" else collector.endpoint
    collector.mode = kind if kind in {"hang", "drip", "reset"} else "ok"
    collector.status = 400 if kind == "refusing" else 200
    if kind == "dead":
        collector.stop()
    try:
        async with traced(tmp_path, endpoint) as local:
            replies = [await local.ask("hello", stream=number % 2 == 1) for number in range(20)]
            assert {(reply.status, reply.text) for reply in replies} == {(200, "hello")}
            assert value(local, "gateway_intents_total") == 20
    finally:
        collector.released.set()
        if kind != "dead":
            collector.stop()
    assert value(local, "gateway_telemetry_spans_exported_total") == 0
    assert value(local, "gateway_telemetry_spans_dropped_total") == 20 * (len(WHOLE) + 1)


async def test_a_collector_that_comes_back_gets_what_comes_then(tmp_path: Path) -> None:
    collector = Collector()
    collector.status = 400
    try:
        async with traced(tmp_path, collector.endpoint) as local:
            await local.ask("hello")
            while not value(local, "gateway_telemetry_spans_dropped_total"):
                await local.get("/healthz")
            collector.status = 200
            last = await local.ask("hello again")
    finally:
        collector.stop()
    assert value(local, "gateway_telemetry_spans_exported_total") == len(WHOLE) + 1
    assert last.headers["x-gateway-trace"].encode() in b"".join(collector.bodies)
