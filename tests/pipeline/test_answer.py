"""How a route comes to an answer: extracted, repaired, replaced, sampled, or the last resort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.testing import ALLOW_ALL, LocalGateway, Reply, Routing, local_gateway
from tests.pipeline.rego import answer_says, intent_says, obliged

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "email": {"type": "string", "format": "email"}},
    "required": ["order"],
    "additionalProperties": False,
}
ASKED: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "order", "schema": SCHEMA}}
GOOD, BAD = '{"order": "A-17"}', '{"ordre": "A-17-canary"}'
SECOND = {"second": "model: simulated-2"}


def says(*replies: str, more: str = "") -> str:
    """A script whose model says these one after the other."""
    return f"rules: [{{replies: {orjson.dumps(list(replies)).decode()}{more}}}]"


def route(extra: str = "", targets: str = "{target: simulated}, {target: second}") -> Routing:
    return Routing(assistant=f"{{targets: [{targets}], retries: {{max: 0}}{extra}}}", targets=SECOND)


def added(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = reply.events[-1]["gateway"] if reply.headers["content-type"].startswith("text/event-stream") else reply.json["gateway"]
    return found


async def closing(local: LocalGateway) -> dict[str, Any]:
    found: dict[str, Any] = next(entry["facts"] for entry in await local.entries() if entry["kind"] == "closed")
    return found


def sent(local: LocalGateway, at: int) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(local.provider.requests[at].body)
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_meets_its_schema_leaves_as_it_is(tmp_path: Path, stream: bool) -> None:
    async with local_gateway(tmp_path, says(GOOD), routing=route()) as local:
        reply = await local.ask("hello", stream=stream, response_format=ASKED)
        assert reply.text == GOOD
        assert (added(reply)["schema_valid"], added(reply)["repairs"], added(reply)["attempts"]) == (True, [], 1)
        if stream:
            assert added(reply)["stream_mode"] == "buffered"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_broken_answer_is_repaired_by_asking_again_with_places_and_no_values(tmp_path: Path, stream: bool) -> None:
    async with local_gateway(tmp_path, says(BAD, GOOD), routing=route(", repair: {asks: 1, temperature: 0.1}")) as local:
        reply = await local.ask("hello", stream=stream, response_format=ASKED, temperature=0.9)
        assert (reply.status, reply.text) == (200, GOOD)
        assert (added(reply)["schema_valid"], added(reply)["repairs"], added(reply)["attempts"]) == (True, ["asked"], 2)
        again = sent(local, 1)
        assert again["messages"][-2] == {"role": "assistant", "content": BAD}
        instruction = again["messages"][-1]["content"]
        assert "required" in instruction
        assert "additionalProperties" in instruction
        assert "canary" not in instruction
        assert "ordre" not in instruction
        assert (sent(local, 0)["temperature"], again["temperature"]) == (0.9, 0.1)
        facts = await closing(local)
        assert [(one["purpose"], one["error"]) for one in facts["attempts"]] == [("first", None), ("repair", None)]
        assert [one["kind"] for one in facts["repairs"]] == ["asked"]
        assert {failure["keyword"] for failure in facts["repairs"][0]["failures"]} == {"required", "additionalProperties"}
        assert all(one["cost_microusd"] for one in facts["attempts"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("around", ["```json\n{}\n```", "Here you are: {} Anything else?", "{}\n\nI hope this helps."])
async def test_json_within_other_text_is_taken_out_without_a_call(tmp_path: Path, around: str, stream: bool) -> None:
    async with local_gateway(tmp_path, says(around.replace("{}", GOOD)), routing=route()) as local:
        reply = await local.ask("hello", stream=stream, response_format=ASKED)
        assert reply.text == GOOD
        assert (added(reply)["schema_valid"], added(reply)["repairs"], added(reply)["attempts"]) == (True, ["extracted"], 1)


async def test_validation_sees_the_restored_values_and_the_repair_only_the_redacted(tmp_path: Path) -> None:
    first = '{"email": "{placeholder:EMAIL_ADDRESS}", "extra": "{placeholder:EMAIL_ADDRESS}"}'
    mended = '{"order": "A-17", "email": "{placeholder:EMAIL_ADDRESS}"}'
    async with local_gateway(tmp_path, says(first, mended), routing=route()) as local:
        reply = await local.ask("the order of jane.doe@example.com", response_format=ASKED)
        assert orjson.loads(reply.text) == {"order": "A-17", "email": "jane.doe@example.com"}
        assert added(reply)["schema_valid"] is True
        assert b"jane.doe" not in b"".join(request.body for request in local.provider.requests)
        failures = (await closing(local))["repairs"][0]["failures"]
        assert "format" not in {failure["keyword"] for failure in failures}


async def test_what_another_model_volunteered_does_not_reach_the_one_that_repairs(tmp_path: Path) -> None:
    bad = '{"ask": "john.roe@example.net"}'
    script = f"rules: [{{when: {{model: simulated-1}}, reply: {orjson.dumps(bad).decode()}}}, {{reply: {orjson.dumps(GOOD).decode()}}}]"
    async with local_gateway(tmp_path, script, routing=route(", repair: {asks: 1, target: second}")) as local:
        reply = await local.ask("hello", response_format=ASKED)
        assert reply.text == GOOD
        assert sent(local, 1)["model"] == "simulated-2"
        assert b"john.roe" not in local.provider.requests[1].body


@pytest.mark.parametrize("granted", [["US_SSN"], ["*"]])
async def test_what_the_route_keeps_from_a_target_does_not_reach_it_by_way_of_a_repair(tmp_path: Path, granted: list[str]) -> None:
    bad = '{"ask": "219-09-9999"}'
    script = f"rules: [{{when: {{model: simulated-1}}, reply: {orjson.dumps(bad).decode()}}}, {{reply: {orjson.dumps(GOOD).decode()}}}]"
    routing = route(", repair: {asks: 1, target: second}", targets="{target: simulated}, {target: second, when: {without: [US_SSN]}}")
    async with local_gateway(tmp_path, script, policies=intent_says(obliged(reveal={"model": granted})), routing=routing) as local:
        assert (await local.ask("hello", response_format=ASKED)).text == GOOD
        assert sent(local, 1)["model"] == "simulated-2"
        assert b"219-09-9999" not in local.provider.requests[1].body


@pytest.mark.parametrize("stream", [False, True])
async def test_where_the_repair_fails_another_target_is_asked_afresh(tmp_path: Path, stream: bool) -> None:
    script = f"rules: [{{when: {{model: simulated-1}}, reply: {orjson.dumps(BAD).decode()}}}, {{reply: {orjson.dumps(GOOD).decode()}}}]"
    async with local_gateway(tmp_path, script, routing=route()) as local:
        reply = await local.ask("hello", stream=stream, response_format=ASKED)
        assert reply.text == GOOD
        assert (added(reply)["repairs"], added(reply)["fallback"], added(reply)["target"]) == (["asked", "replaced"], True, "second")
        assert [one["purpose"] for one in (await closing(local))["attempts"]] == ["first", "repair", "fallback"]
        assert len(sent(local, 2)["messages"]) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("policies", "status", "code"),
    [
        (ALLOW_ALL, 502, "answer.schema_invalid"),
        (answer_says({"outcome": "deny", "reasons": [{"rule": "answer.schema", "message": "no"}]}), 403, "policy_denied"),
        (answer_says(obliged(allow_invalid=True)), 200, None),
    ],
)
async def test_an_answer_that_nobody_could_mend_leaves_only_if_policy_says_so(
    tmp_path: Path, policies: dict[str, str], status: int, code: str | None, stream: bool
) -> None:
    async with local_gateway(tmp_path, says(BAD), policies=policies, routing=route()) as local:
        reply = await local.ask("hello", stream=stream, response_format=ASKED)
        assert reply.status == status
        if code is None:
            assert added(reply)["schema_valid"] is False
        else:
            assert (reply.json["error"]["code"], reply.headers["x-should-retry"]) == (code, "false")
            assert b"canary" not in reply.body
        facts = await closing(local)
        assert facts["schema"]["valid"] is False
        assert "canary" not in str(facts)
        assert len(local.provider.requests) == 3


async def test_the_answer_policy_learns_how_the_answer_stands(tmp_path: Path) -> None:
    rego = """package gateway.answer

import rego.v1

default verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"caller": []}}}

verdict := {"outcome": "deny", "reasons": [{"rule": "seen", "message": "seen"}], "obligations": {}} if {
	input.answer.schema_valid == true
	input.answer.repairs == 1
	input.answer.fallback == false
	input.answer.signals.repairs == 1
	input.answer.confidence > 0
	input.answer.confidence < 1
}
"""
    async with local_gateway(tmp_path, says(BAD, GOOD), policies={**ALLOW_ALL, "answer.rego": rego}, routing=route(", confidence: {}")) as local:
        reply = await local.ask("hello", response_format=ASKED)
        assert (reply.status, (await closing(local))["reason"]) == (403, "seen")


@pytest.mark.parametrize("mode", ["plain", "pass", "buffered"])
@pytest.mark.parametrize("fault", ["{status: 500}", "{reset: before}", "{malformed: html}"])
async def test_the_last_resort_answers_where_nobody_does_and_says_what_it_is(tmp_path: Path, mode: str, fault: str) -> None:
    extra = ", last_resort: 'Please try later.'" + (", confidence: {}" if mode == "buffered" else "")
    async with local_gateway(tmp_path, f"rules: [{{fault: {fault}}}]", routing=route(extra)) as local:
        reply = await local.ask("hello", stream=mode != "plain")
        assert (reply.status, reply.text) == (200, "Please try later.")
        assert reply.done is (mode != "plain")
        told = added(reply)
        assert (told["last_resort"], told["fallback"], told["target"], told["attempts"]) == (True, True, "last_resort", 2)
        facts = await closing(local)
        assert (facts["state"], facts["last_resort"]) == ("completed", True)
        assert local.gateway.services.limits.running == 0


async def test_a_last_resort_that_breaks_what_the_caller_asked_for_is_none(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, "rules: [{fault: {status: 500}}]", routing=route(", last_resort: {status: gone}")) as local:
        reply = await local.ask("hello", response_format=ASKED)
        assert (reply.status, reply.json["error"]["code"]) == (502, "upstream.unavailable")


@pytest.mark.parametrize("mode", ["plain", "pass", "buffered"])
@pytest.mark.parametrize(("status", "told"), [(400, 400), (413, 413), (422, 422), (401, 200), (404, 200), (408, 200), (410, 200), (429, 200)])
async def test_a_last_resort_covers_up_no_mistake_of_the_caller_but_those_of_the_config(tmp_path: Path, mode: str, status: int, told: int) -> None:
    extra = ", last_resort: sorry" + (", confidence: {}" if mode == "buffered" else "")
    async with local_gateway(tmp_path, f"rules: [{{fault: {{status: {status}}}}}]", routing=route(extra)) as local:
        reply = await local.ask("hello", stream=mode != "plain")
        assert (reply.status, b"sorry" in reply.body) == (told, told == 200)


async def test_a_repair_whose_call_fails_is_counted_and_leaves_the_answer_as_it_is(tmp_path: Path) -> None:
    script = f"rules: [{{when: {{contains: hello}}, reply: {orjson.dumps(BAD).decode()}}}, {{fault: {{status: 500}}}}]"
    async with local_gateway(tmp_path, script, routing=route(targets="{target: simulated}")) as local:
        reply = await local.ask("hello", response_format=ASKED)
        assert (reply.status, reply.json["error"]["code"]) == (502, "answer.schema_invalid")
        assert [(one["purpose"], one["error"]) for one in (await closing(local))["attempts"]] == [("first", None), ("repair", "upstream.unavailable")]
        counted = [line for line in (await local.get("/metrics")).body.splitlines() if line.startswith(b"gateway_repairs_total{")]
        assert [(b'result="failed"' in line, line.endswith(b" 1.0")) for line in counted] == [(True, True)]


@pytest.mark.parametrize("stream", [False, True])
async def test_of_several_samples_the_one_that_agrees_most_is_kept(tmp_path: Path, stream: bool) -> None:
    script = says("the capital is Bern", "it is Geneva, on the lake", "the capital is Bern")
    async with local_gateway(tmp_path, script, routing=route(", confidence: {samples: 3}", targets="{target: simulated}")) as local:
        reply = await local.ask("hello", stream=stream)
        assert reply.text == "the capital is Bern"
        told = added(reply)
        assert told["attempts"] == 3
        assert 0 < told["signals"]["agreement"] < 1
        assert 0 < told["confidence"] < 1
        assert sorted(one["purpose"] for one in (await closing(local))["attempts"]) == ["first", "sample", "sample"]


async def test_samples_keep_within_the_budget(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, says("yes"), routing=route(", confidence: {samples: 4}, attempts: 4")) as local:
        reply = await local.ask("hello")
        assert (added(reply)["attempts"], len(local.provider.requests)) == (4, 4)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("asked", [False, True])
async def test_log_probabilities_that_only_the_gateway_asked_for_stay_here(tmp_path: Path, asked: bool, stream: bool) -> None:
    async with local_gateway(tmp_path, "rules: [{reply: 'one two', logprobs: -0.7}]", routing=route(", confidence: {logprobs: true}")) as local:
        parameters: dict[str, Any] = {"logprobs": True} if asked else {}
        reply = await local.ask("hello", stream=stream, **parameters)
        assert sent(local, 0)["logprobs"] is True
        assert (b'"token"' in reply.body) is asked
        assert 0.49 < added(reply)["signals"]["logprobs"] < 0.51


@pytest.mark.parametrize("asked", [{}, {"response_format": None}, {"response_format": {"type": "text"}}, {"response_format": {"type": "json_object"}}])
async def test_a_routes_own_schema_is_asked_for_and_held(tmp_path: Path, asked: dict[str, Any]) -> None:
    changes = {"routes:\n": f"schemas: {{order: {orjson.dumps(SCHEMA).decode()}}}\nroutes:\n"}
    async with local_gateway(tmp_path, says("no json", GOOD), routing=route(", schema: order"), changes=changes) as local:
        reply = await local.ask("hello", **asked)
        assert (reply.text, added(reply)["schema_valid"]) == (GOOD, True)
        assert sent(local, 0)["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize(("name", "status"), [("order", 200), ("nowhere", 403)])
async def test_policy_can_demand_a_schema(tmp_path: Path, name: str, status: int) -> None:
    changes = {"routes:\n": f"schemas: {{order: {orjson.dumps(SCHEMA).decode()}}}\nroutes:\n"}
    policies = {**ALLOW_ALL, "intent.rego": ALLOW_ALL["intent.rego"].replace('"obligations": {', f'"obligations": {{"require_schema": "{name}", ')}
    async with local_gateway(tmp_path, says("no json", GOOD), policies=policies, routing=route(), changes=changes) as local:
        reply = await local.ask("hello", stream=True)
        assert reply.status == status
        if status == 200:
            assert (reply.text, added(reply)["schema_valid"], added(reply)["stream_mode"]) == (GOOD, True, "buffered")


async def test_calls_of_tools_and_refusals_have_no_content_to_check(tmp_path: Path) -> None:
    script = "rules: [{when: {contains: tool}, reply: null, tool_calls: [{name: find, arguments: {a: 1}}]}, {refusal: 'I cannot'}]"
    async with local_gateway(tmp_path, script, routing=route()) as local:
        for text in ("tool", "other"):
            reply = await local.ask(text, response_format=ASKED, tools=[{"type": "function", "function": {"name": "find"}}])
            assert (reply.status, added(reply)["schema_valid"], added(reply)["attempts"]) == (200, None, 1)
