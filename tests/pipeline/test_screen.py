"""What the answer policy is told, and what becomes of its verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.testing import ALLOW_ALL, LocalGateway, local_gateway
from tests.pipeline.rego import answer_says, obliged

POLICY = """package gateway.answer

import rego.v1

default verdict := {{"outcome": "allow", "reasons": [], "obligations": {{"reveal": {{"caller": []}}}}}}

verdict := {{"outcome": "deny", "reasons": [{{"rule": "seen", "message": "seen"}}], "obligations": {{}}}} if {{
	{condition}
}}
"""
CONDITIONS = [
    'input.answer.text == "one two"',
    'input.answer.source == "model"; input.answer.author == "simulated-1"; input.answer.finish_reason == "stop"',
    "input.answer.confidence == null; input.answer.schema_valid == null; input.answer.repairs == 0; input.answer.fallback == false",
    "count(input.answer.tool_calls) == 0",
    'input.subject.tenant == "acme"; input.subject.teams[0] == "support"; input.request.route == "assistant"',
    'input.intent_verdict.outcome == "allow"; count(input.intent_verdict.obligations.reveal.model) == 0',
    "input.attempt == 1; input.intent.depth == 0; input.intent.id == input.intent.root_id",
    "count(input.findings) == 0",
]
BRINGS = "rules: [{reply: 'ask jane.doe@example.com'}]"


async def reason(local: LocalGateway) -> object:
    return next(entry for entry in await local.entries() if entry["kind"] == "closed")["facts"]["reason"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("condition", CONDITIONS)
async def test_the_policy_sees_the_answer_and_where_it_came_from(tmp_path: Path, condition: str, stream: bool) -> None:
    policies = {**ALLOW_ALL, "answer.rego": POLICY.format(condition=condition.replace("; ", "\n\t"))}
    async with local_gateway(tmp_path, "rules: [{reply: 'one two'}]", policies=policies) as local:
        reply = await local.ask("hello", stream=stream)
        assert (await reason(local), reply.done) == ("seen", False)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_policy_sees_what_the_model_brought_as_counts(tmp_path: Path, stream: bool) -> None:
    condition = 'some finding in input.findings\n\tfinding.category == "EMAIL_ADDRESS"\n\tfinding.count == 1\n\tfinding.origin == "model"'
    async with local_gateway(tmp_path, BRINGS, policies={**ALLOW_ALL, "answer.rego": POLICY.format(condition=condition)}) as local:
        await local.ask("hello", stream=stream)
        assert await reason(local) == "seen"
        assert b'gateway_findings_total{category="EMAIL_ADDRESS"} 1.0' in (await local.get("/metrics")).body


@pytest.mark.parametrize(("granted", "shown"), [([], False), (["EMAIL_ADDRESS"], True), (["*"], True), (["PHONE_NUMBER"], False)])
async def test_what_the_model_brought_is_shown_only_if_granted(tmp_path: Path, granted: list[str], shown: bool) -> None:
    verdict = {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"caller": granted}}}
    async with local_gateway(tmp_path, BRINGS, policies=answer_says(verdict)) as local:
        reply = await local.ask("hello")
        assert ("jane.doe@example.com" in reply.text) is shown
        assert reply.json["gateway"]["redactions"]["caller"] == ({} if shown else {"EMAIL_ADDRESS": 1})


QUOTES = POLICY.format(condition="input.answer.text").replace(
    '"rule": "seen", "message": "seen"', '"rule": "seen", "message": sprintf("it said %v", [input.answer.text])'
)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_that_quotes_the_answer_shows_no_value_of_it(tmp_path: Path, stream: bool) -> None:
    async with local_gateway(tmp_path, BRINGS, policies={**ALLOW_ALL, "answer.rego": QUOTES}) as local:
        reply = await local.ask("hello", stream=stream)
        assert (reply.status, await reason(local)) == (403, "seen")
        assert "it said ask <EMAIL_ADDRESS_" in reply.json["error"]["message"]
        assert "jane.doe" not in str(await local.entries())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("obligation", [{"max_tokens": 5}, {"routes": ["assistant"]}, {"retention_days": 1}])
async def test_an_obligation_that_comes_too_late_is_refused(tmp_path: Path, obligation: dict[str, object], stream: bool) -> None:
    async with local_gateway(tmp_path, policies=answer_says(obliged(**obligation))) as local:
        reply = await local.ask("hello", stream=stream)
        assert (await reason(local), reply.done) == ("policy.unsupported", False)
