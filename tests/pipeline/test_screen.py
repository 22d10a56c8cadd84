"""What the answer policy is told, and what becomes of its verdict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from gateway.domain import Decision, Hook
from gateway.testing import ALLOW_ALL, LocalGateway, Routing, local_gateway
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


SCREENS = POLICY.format(condition='contains(input.answer.text, "forbidden")')
CALLS_NONE = POLICY.format(condition='some call in input.answer.tool_calls\n\tcall.function.name == "rm"')


@pytest.mark.parametrize("stream", [False, True])
async def test_one_refused_choice_refuses_all(tmp_path: Path, stream: bool) -> None:
    async with (
        one_answer([{"content": "fine"}, {"content": "forbidden"}]) as base_url,
        local_gateway(tmp_path, policies={**ALLOW_ALL, "answer.rego": SCREENS}, changes={"base_url: ": f"base_url: {base_url} # "}) as local,
    ):
        reply = await local.ask("hello", stream=stream, n=2)
        assert (reply.status, await reason(local)) == (403, "seen")
        assert b"forbidden" not in reply.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (SCREENS, {"content": [{"type": "text", "text": "forbidden"}]}),
        (SCREENS, {"content": "fine", "refusal": "forbidden"}),
        (SCREENS, {"content": "fine", "reasoning_content": "forbidden"}),
        (SCREENS, {"content": None, "audio": {"id": "a", "transcript": "forbidden"}}),
        (CALLS_NONE, {"content": None, "function_call": {"name": "rm", "arguments": "{}"}}),
        (CALLS_NONE, {"content": None, "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "rm", "arguments": "{}"}}]}),
    ],
)
async def test_the_policy_sees_whatever_a_message_says(tmp_path: Path, policy: str, message: dict[str, Any], stream: bool) -> None:
    async with (
        one_answer([message]) as base_url,
        local_gateway(tmp_path, policies={**ALLOW_ALL, "answer.rego": policy}, changes={"base_url: ": f"base_url: {base_url} # "}) as local,
    ):
        reply = await local.ask("hello", stream=stream)
        assert (reply.status, await reason(local)) == (403, "seen")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_has_no_name_ends_no_answer(tmp_path: Path, stream: bool) -> None:
    async with (
        one_answer([{"content": "fine"}], model={"a": 1}) as base_url,
        local_gateway(tmp_path, changes={"base_url: ": f"base_url: {base_url} # "}) as local,
    ):
        reply = await local.ask("hello", stream=stream)
        assert (reply.status, reply.text) == (200, "fine")


async def test_what_verdicts_on_choices_reveal_is_what_all_of_them_do(tmp_path: Path) -> None:
    reveals = """package gateway.answer

import rego.v1

default verdict := {"outcome": "allow", "obligations": {"reveal": {"caller": ["*"]}}}

verdict := {"outcome": "allow", "obligations": {"reveal": {"caller": ["PHONE_NUMBER"]}}} if contains(input.answer.text, "fine")
"""
    messages = [{"content": "fine"}, {"content": "jane.doe@example.com"}]
    async with (
        one_answer(messages) as base_url,
        local_gateway(tmp_path, policies={**ALLOW_ALL, "answer.rego": reveals}, changes={"base_url: ": f"base_url: {base_url} # "}) as local,
    ):
        reply = await local.ask("hello", n=2)
        assert reply.status == 200
        assert b"jane.doe" not in reply.body


@asynccontextmanager
async def one_answer(messages: list[dict[str, Any]], model: object = "simulated-1") -> AsyncIterator[str]:
    """A provider that always says ``messages``, one a choice; streamed, a choice is one chunk and its finish another."""

    async def answer(request: web.Request) -> web.StreamResponse:
        frame = {"id": "c", "created": 1, "model": model}
        if not (await request.json()).get("stream"):
            choices = [{"index": index, "message": message, "finish_reason": "stop"} for index, message in enumerate(messages)]
            return web.json_response({**frame, "object": "chat.completion", "choices": choices})
        deltas: list[dict[str, Any]] = [{"index": index, "delta": message, "finish_reason": None} for index, message in enumerate(messages)]
        deltas += [{"index": index, "delta": {}, "finish_reason": "stop"} for index in range(len(messages))]
        chunks = [{**frame, "object": "chat.completion.chunk", "choices": [delta]} for delta in deltas]
        body = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
        return web.Response(body=body, content_type="text/event-stream")

    application = web.Application()
    application.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def test_the_decision_on_every_choice_stands_on_the_record(local: LocalGateway) -> None:
    await local.ask("hello", n=3)
    closed = next(entry["facts"] for entry in await local.entries() if entry["kind"] == "closed")
    assert [decision["hook"] for decision in closed["decisions"]] == ["answer", "answer", "answer"]
    assert closed["decisions"][-1] == closed["decision"]
    await local.ask("hello")
    assert "decisions" not in (await local.entries())[-1]["facts"]


async def test_the_policy_sees_fractions_with_four_decimals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    assessed = Routing(assistant="{target: simulated, confidence: {samples: 3}}")
    async with local_gateway(tmp_path, "rules: [{reply: 'one two three'}]", routing=assessed) as local:
        decide = local.gateway.services.policy.decide

        async def watched(hook: Hook, parts: Any) -> Decision:
            seen.append(parts.get("answer"))
            return await decide(hook, parts)

        monkeypatch.setattr(local.gateway.services.policy, "decide", watched)
        reply = await local.ask("hello")
    told = reply.json["gateway"]["confidence"]
    assert 0 < told < 1
    assert seen[-1]["confidence"] == round(told, 4)
    assert all(value == round(value, 4) for value in seen[-1]["signals"].values())
