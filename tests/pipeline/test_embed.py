"""Embeddings take the same path as what is said: policy, one-way redaction, fallbacks, a record that has no vectors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest

from gateway.simulated.embeddings import vector
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, Routing, local_gateway
from tests.pipeline.rego import answer_says, intent_says, obliged

MAIL = "jane.doe@example.com"
TWO = Routing(
    assistant="{targets: [{target: simulated}, {target: other}], retries: {max: 1, backoff_s: 0.001}}",
    targets={"other": "model: simulated-2, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 9}"},
)
READS_MESSAGES = """package gateway.intent

import rego.v1

default verdict := {"outcome": "deny", "reasons": [{"rule": "other", "message": "not as it should be"}], "obligations": {}}

verdict := {"outcome": "allow", "reasons": [], "obligations": {"allow_unscanned": true, "reveal": {"model": [], "caller": [], "record": []}}} if {
	input.intent.surface == "embeddings"
	count(input.request.tools) == 0
	every message in input.request.messages {
		message.role == "user"
		text := object.get(message, "content", "")
		not contains(sprintf("%v", [text]), "forbidden")
	}
	not input.request.params.input
	input.request.tokens_estimate > 0
}
"""
READS_ANSWER = """package gateway.answer

import rego.v1

default verdict := {"outcome": "deny", "reasons": [{"rule": "other", "message": "not as it should be"}], "obligations": {}}

verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"caller": [], "record": []}}} if {
	input.intent.surface == "embeddings"
	input.answer.source == "model"
	input.answer.author == "simulated-1"
	input.answer.text == ""
	input.answer.tool_calls == []
	input.answer.finish_reason == null
	input.answer.fallback == false
	input.answer.schema_valid == null
}
"""


async def embed(local: LocalGateway, given: Any, **more: Any) -> Reply:
    headers = {"content-type": "application/json", "authorization": f"Bearer {local.key()}"}
    return await local.request("POST", "/v1/embeddings", headers, orjson.dumps({"model": "assistant", "input": given, "dimensions": 8, **more}))


def sent(local: LocalGateway) -> list[Any]:
    return [orjson.loads(request.body) for request in local.provider.requests]


async def recorded(local: LocalGateway) -> dict[str, Any]:
    """The newest entry of each kind, with its content."""
    with local.gateway.database.read() as connection:
        found = connection.exec_driver_sql("SELECT kind, body, content FROM entries WHERE kind != 'genesis'").fetchall()
    return {kind: {**orjson.loads(body), "content": orjson.loads(content)} for kind, body, content in found}


async def test_texts_go_redacted_one_way_and_come_back_as_vectors_with_what_the_gateway_says(local: LocalGateway) -> None:
    reply = await embed(local, ["hello", f"write to {MAIL}"])
    assert sent(local) == [{"model": "simulated-1", "input": ["hello", "write to <EMAIL_ADDRESS>"], "dimensions": 8}]
    body = reply.json
    assert [entry["embedding"] for entry in body["data"]] == [vector(text, 8).tolist() for text in sent(local)[0]["input"]]
    assert body.keys() == {"object", "data", "model", "usage", "gateway"}
    assert body["usage"] == {"prompt_tokens": 8, "total_tokens": 8}
    gateway = body["gateway"]
    assert (gateway["target"], gateway["attempts"], gateway["fallback"], gateway["cost_microusd"]) == ("simulated", 1, False, 2)
    assert gateway["redactions"] == {"model": {"EMAIL_ADDRESS": 1}, "caller": {}}


async def test_the_record_has_no_vectors_but_a_digest_of_the_whole_answer(local: LocalGateway) -> None:
    body = (await embed(local, f"write to {MAIL}")).json
    entries = await recorded(local)
    opened, closed = entries["opened"], entries["closed"]
    assert (opened["facts"]["surface"], opened["facts"]["stream"]) == ("embeddings", False)
    assert opened["facts"]["findings"] == [{"category": "EMAIL_ADDRESS", "count": 1, "where": "input", "origin": "caller"}]
    assert opened["content"]["request"]["input"].startswith("write to <EMAIL_ADDRESS_")
    assert closed["content"]["answer"] == {"model": "simulated-1", "vectors": 1, "dimensions": 8}
    facts = closed["facts"]
    assert (facts["state"], facts["attempts"][0]["usage"]["output_tokens"], facts["attempts"][0]["usage"]["estimated"]) == ("completed", 0, False)
    written = orjson.dumps(entries).decode()
    assert str(body["data"][0]["embedding"][0]) not in written
    assert MAIL not in written
    assert "released" in closed["digests"]


async def test_policies_about_content_hold_for_what_is_to_be_embedded(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies={**ALLOW_ALL, "intent.rego": READS_MESSAGES}) as local:
        statuses = [(await embed(local, given)).status for given in ("fine", ["fine", "too"], "forbidden", ["fine", "forbidden"], [1, 2], [[1], [2]])]
        assert statuses == [200, 200, 403, 403, 200, 200]


async def test_what_policy_saw_is_on_record_as_the_record_may_have_it(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies={**ALLOW_ALL, "intent.rego": READS_MESSAGES}) as local:
        assert (await embed(local, [f"mail {MAIL}", "plain"])).status == 200
        opened = (await recorded(local))["opened"]
        assert MAIL not in orjson.dumps(opened).decode()
        mail, plain = opened["content"]["decision_input"]["request"]["messages"]
        assert mail == {"role": "user", "content": opened["content"]["request"]["input"][0]}
        assert plain == {"role": "user", "content": "plain"}


async def test_the_answer_policy_is_asked_about_an_answer_that_says_nothing(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies={**ALLOW_ALL, "answer.rego": READS_ANSWER}) as local:
        assert (await embed(local, "hello")).status == 200


async def test_an_answer_that_policy_refuses_does_not_leave(tmp_path: Path) -> None:
    verdict = {"outcome": "deny", "reasons": [{"rule": "closed", "message": "closed"}], "obligations": {}}
    async with local_gateway(tmp_path, policies=answer_says(verdict)) as local:
        reply = await embed(local, "hello")
        assert (reply.status, reply.json["error"]["code"]) == (403, "policy_denied")
        assert b"embedding" not in reply.body
        assert (await local.entries())[-1]["facts"]["state"] == "refused"


@pytest.mark.parametrize("given", [[1, 2], [[1], [2]]])
async def test_of_tokens_the_record_has_what_policy_saw_which_is_nothing(tmp_path: Path, given: list[Any]) -> None:
    async with local_gateway(tmp_path, policies={**ALLOW_ALL, "intent.rego": READS_MESSAGES}) as local:
        assert (await embed(local, given)).status == 200
        messages = (await recorded(local))["opened"]["content"]["decision_input"]["request"]["messages"]
        assert {message["content"] for message in messages} == {None}


@pytest.mark.parametrize("step", ["gateway.pipeline.embed.screen", "gateway.pipeline.embed.vectors_of", "gateway.pipeline.run.ask_for_vectors"])
async def test_a_crash_is_a_500_and_on_record(local: LocalGateway, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def crash(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("unmistakable")

    monkeypatch.setattr(step, crash)
    reply = await embed(local, "hello")
    assert (reply.status, reply.json["error"]["code"]) == (500, "internal_error")
    assert b"unmistakable" not in reply.body
    assert (await recorded(local))["closed"]["facts"]["state"] == "failed"
    assert local.gateway.services.limits.running == local.gateway.services.models["simulated"].client.in_use == 0


async def test_a_caller_that_leaves_is_on_record_and_its_places_are_free(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, "rules: [{fault: {slow: header, hang_s: 5}}]") as local:
        headers = {"content-type": "application/json", "authorization": f"Bearer {local.key()}"}
        await local.request("POST", "/v1/embeddings", headers, orjson.dumps({"model": "assistant", "input": "hello"}), leave_after=0)
        assert local.gateway.services.limits.running == local.gateway.services.models["simulated"].client.in_use == 0
        await asyncio.sleep(0.1)
        assert (await recorded(local))["closed"]["facts"]["reason"] == "caller.gone"


@pytest.mark.parametrize("given", [[1, 2], [[1], [2]]])
async def test_tokens_are_unscanned(tmp_path: Path, local: LocalGateway, given: Any) -> None:
    refused = await embed(local, given)
    assert (refused.status, refused.json["gateway"]["reasons"][0]["rule"]) == (403, "policy.unscanned")
    folder = tmp_path / "allowing"
    folder.mkdir()
    async with local_gateway(folder, policies=intent_says(obliged(allow_unscanned=True))) as allowing:
        assert (await embed(allowing, given)).status == 200
        assert sent(allowing)[0]["input"] == given
        opened = (await recorded(allowing))["opened"]
        assert opened["facts"]["unscanned"] == [{"where": "input", "kind": "tokens"}]
        assert opened["content"]["request"]["input"] in ("<UNSCANNED>", ["<UNSCANNED>"] * 2)


async def test_a_schema_cannot_be_demanded_of_vectors(tmp_path: Path) -> None:
    schemas = {"policy:": "schemas: {thing: {type: object}}\npolicy:"}
    async with local_gateway(tmp_path, policies=intent_says(obliged(require_schema="thing")), changes=schemas) as local:
        reply = await embed(local, "hello")
        assert (reply.status, reply.json["gateway"]["reasons"][0]["rule"]) == (403, "policy.unsupported")


FAULTS = [
    ("{status: 500, times: 1}", 200, "simulated", 2),
    ("{status: 429, retry_after: 0, times: 1}", 200, "simulated", 2),
    ("{status: 500}", 200, "other", 3),
    ("{reset: before}", 200, "other", 3),
    ("{malformed: html}", 200, "other", None),
    ("{malformed: json}", 200, "other", None),
    ("{status: 400}", 400, "simulated", 1),
]


@pytest.mark.parametrize(("fault", "status", "target", "attempts"), FAULTS)
async def test_a_failing_target_is_retried_and_then_another_one_asked(tmp_path: Path, fault: str, status: int, target: str, attempts: int | None) -> None:
    async with local_gateway(tmp_path, f"rules: [{{when: {{model: simulated-1}}, fault: {fault}}}]", routing=TWO) as local:
        reply = await embed(local, f"hello {MAIL}")
        assert (reply.status, reply.headers["x-gateway-target"]) == (status, target)
        facts = (await local.entries())[-1]["facts"]
        assert attempts in {None, len(facts["attempts"])}
        assert facts["attempts"][-1]["target"] == target
        if status == 200:
            assert reply.json["gateway"]["fallback"] is (target == "other")
            assert reply.json["gateway"]["attempts"] == len(facts["attempts"])
        assert all(body["input"] == "hello <EMAIL_ADDRESS>" for body in sent(local))


@pytest.mark.parametrize("usage", ["omitted", "absurd"])
async def test_tokens_are_counted_where_the_target_does_not_say(tmp_path: Path, usage: str) -> None:
    async with local_gateway(tmp_path, f"rules: [{{usage: {usage}}}]") as local:
        body = (await embed(local, ["hello there"])).json
        assert body["gateway"]["usage_estimated"] is True
        assert 1 <= body["usage"]["prompt_tokens"] <= 4


async def test_each_input_has_a_context_window_of_its_own(tmp_path: Path) -> None:
    window = {"    model: simulated-1\n": "    model: simulated-1\n    context_tokens: 30\n"}
    async with local_gateway(tmp_path, changes=window) as local:
        assert (await embed(local, ["word " * 10] * 20)).status == 200
        reply = await embed(local, ["short", "word " * 100])
        assert (reply.status, reply.json["error"]["code"], reply.json["error"]["param"]) == (400, "context_length_exceeded", "input")


async def test_a_route_that_repairs_and_assesses_embeds_all_the_same(tmp_path: Path) -> None:
    routing = Routing(assistant="{target: simulated, schema: thing, repair: {asks: 1}, confidence: {samples: 2}, last_resort: {a: 1}}")
    changes = {"policy:": "schemas: {thing: {type: object}}\npolicy:"}
    async with local_gateway(tmp_path, "rules: [{when: {contains: fail}, fault: {status: 500}}]", routing=routing, changes=changes) as local:
        assert len((await embed(local, "hello")).json["data"]) == 1
        assert (await embed(local, "fail")).status == 502


async def test_a_thousand_texts_and_a_large_answer_are_taken_apart_off_the_loop(local: LocalGateway) -> None:
    texts = [f"text {at} of somebody{at}@example.com and more words to make it long" for at in range(2048)]
    body = (await embed(local, texts, encoding_format="base64", dimensions=64)).json
    assert len(body["data"]) == 2048
    assert body["gateway"]["redactions"]["model"] == {"EMAIL_ADDRESS": 2048}
    assert not any("@" in text for text in sent(local)[0]["input"])


async def test_the_trace_names_the_operation(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, telemetry="{logs: {level: error}, traces: {capture_content: true}}") as local:
        reply = await embed(local, f"hello {MAIL}")
        assert reply.status == 200
        assert local.provider.requests[0].headers["traceparent"].split("-")[1] == reply.headers["x-gateway-trace"]
