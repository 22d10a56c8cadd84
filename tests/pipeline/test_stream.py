"""Streams: what passes at once, what is held, and how a stream that must not go on ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.pipeline.intent import Call, ReleasedStream
from gateway.pipeline.run import run
from gateway.testing import ALLOW_ALL, LocalGateway, Routing, local_gateway
from tests.pipeline.rego import READS_TEXT, answer_says

DENY = {"outcome": "deny", "reasons": [{"rule": "not_this", "message": "no"}], "obligations": {}}
SPLIT = "rules: [{reply: unused, chunks: ['mail dana.re', 'yes@exa', 'mple.com or call +1 202 5', '55 01', '47 today']}]"


@pytest.mark.parametrize("policies", [ALLOW_ALL, READS_TEXT], ids=["pass", "buffered"])
async def test_a_stream_carries_the_same_answer_in_both_modes(tmp_path: Path, policies: dict[str, str]) -> None:
    async with local_gateway(tmp_path, SPLIT, policies=policies) as local:
        reply = await local.ask("hello", stream=True)
        assert reply.done
        assert reply.text.startswith("mail <EMAIL_ADDRESS_")
        assert "<PHONE_NUMBER_" in reply.text
        assert b"dana" not in reply.body
        assert b"0147" not in reply.body
        assert reply.events[-1]["gateway"]["redactions"]["caller"] == {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}


async def test_the_finish_comes_once_and_last_and_carries_the_gateway_object(local: LocalGateway) -> None:
    reply = await local.ask("one two three", stream=True)
    finishes = [choice["finish_reason"] for event in reply.events for choice in event["choices"]]
    assert finishes[-1] == "stop"
    assert set(finishes[:-1]) == {None}
    assert "gateway" in reply.events[-1]


@pytest.mark.parametrize("asked", [False, True])
async def test_usage_is_always_asked_for_and_passed_on_only_if_the_caller_asked(local: LocalGateway, asked: bool) -> None:
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if asked else {}
    reply = await local.ask("one two three", stream=True, **options)
    assert b'"include_usage":true' in local.provider.requests[0].body
    assert [event["choices"] == [] for event in reply.events].count(True) == int(asked)
    assert (reply.events[-1].get("usage") is not None) == asked


async def test_in_pass_mode_a_denied_answer_ends_in_an_error_in_place_of_the_finish(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=answer_says(DENY)) as local:
        reply = await local.ask("one two three", stream=True)
        assert reply.status == 200
        assert not reply.done
        assert reply.events[-1]["error"]["code"] == "policy_denied"
        assert all(choice["finish_reason"] is None for event in reply.events[:-1] for choice in event["choices"])


async def test_in_buffered_mode_a_denied_answer_releases_nothing(tmp_path: Path) -> None:
    script = "rules: [{reply: 'we guarantee this to you', chunks: 3}]"
    async with local_gateway(tmp_path, script, policies=READS_TEXT) as local:
        reply = await local.ask("hello", stream=True)
        assert (reply.status, reply.json["error"]["code"]) == (403, "policy_denied")
        assert b"guarantee" not in reply.body


async def test_a_buffered_stream_is_kept_alive_while_it_is_judged(tmp_path: Path) -> None:
    script = "rules: [{reply: 'we guarantee this to you', chunks: 3, pace_ms: 40}]"
    async with local_gateway(tmp_path, script, policies=READS_TEXT) as local:
        object.__setattr__(local.gateway.services, "keep_alive_s", 0.05)
        reply = await local.ask("hello", stream=True)
        assert reply.status == 200
        assert reply.body.startswith(b": keep-alive\n\n")
        assert reply.events[-1]["error"]["code"] == "policy_denied"
        assert b"guarantee" not in reply.body


async def test_the_record_that_headers_name_is_there_before_a_keep_alive_brings_them(tmp_path: Path) -> None:
    script = "rules: [{reply: 'one two three', first_token_ms: 200}]"
    async with local_gateway(tmp_path, script, policies=READS_TEXT) as local:
        object.__setattr__(local.gateway.services, "keep_alive_s", 0.001)
        body = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        call = Call(surface="chat", key=local.key(), body=body, size=100, stream=True, traceparent=None, received_ns=time.time_ns())
        outcome = await run(local.gateway.services, call)
        assert isinstance(outcome, ReleasedStream)
        assert outcome.first.startswith(b": keep-alive")
        assert outcome.intent.opened is not None
        assert outcome.intent.opened.done()
        assert [event async for event in outcome.rest][-1].endswith(b"[DONE]\n\n")


async def test_the_opening_of_the_record_is_durable_before_the_first_content(tmp_path: Path) -> None:
    slow = "rules: [{reply: 'one two three four', chunks: 4, pace_ms: 100}]"
    async with local_gateway(tmp_path, slow) as local:
        call = asyncio.create_task(local.chat({"model": "assistant", "stream": True, "messages": [{"role": "user", "content": "x"}]}))
        kinds: list[str] = []
        while not call.done() and not kinds:
            await asyncio.sleep(0.02)
            kinds = [entry["kind"] for entry in await local.entries() if entry["kind"] != "genesis"]
        assert kinds == ["opened"]
        assert (await call).done


async def test_every_choice_is_redacted_by_itself(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, SPLIT) as local:
        reply = await local.ask("hello", stream=True, n=2)
        texts = {index: "".join(c["delta"].get("content") or "" for e in reply.events for c in e["choices"] if c["index"] == index) for index in (0, 1)}
        assert texts[0] == texts[1]
        assert texts[0].count("<EMAIL_ADDRESS_") == 1


async def test_a_policy_that_goes_live_during_a_stream_and_reads_content_gets_the_content(tmp_path: Path) -> None:
    slow = "rules: [{reply: 'we guarantee this to you', chunks: 3, pace_ms: 150}]"
    async with local_gateway(tmp_path, slow) as local:
        call = asyncio.create_task(local.ask("hello", stream=True))
        await asyncio.sleep(0.15)
        (tmp_path / "policies" / "answer.rego").write_text(READS_TEXT["answer.rego"])
        await local.gateway.services.policy.reload_if_changed()
        assert local.gateway.services.policy.reads_answer_content
        reply = await call
        assert not reply.done
        assert reply.events[-1]["error"]["code"] == "policy_denied"


async def test_a_caller_who_leaves_between_keep_alives_ends_the_work_behind_them(tmp_path: Path) -> None:
    script = "rules: [{reply: 'one two three four five six', chunks: 3, pace_ms: 50}]"
    async with local_gateway(tmp_path, script, policies=READS_TEXT) as local:
        object.__setattr__(local.gateway.services, "keep_alive_s", 0.05)
        await local.chat({"model": "assistant", "stream": True, "messages": [{"role": "user", "content": "x"}]}, leave_after=2)
        closed = [entry["facts"] for entry in await local.entries() if entry["kind"] == "closed"]
        assert [(facts["state"], facts["reason"]) for facts in closed] == [("cancelled", "caller.gone")]
        assert local.gateway.services.limits.running == 0
        assert local.gateway.services.models["simulated"].client.in_use == 0


@pytest.mark.parametrize(("slow", "fault", "state"), [(True, "{huge: 2000000}", "closed"), (False, "{slow: middle, hang_s: 9}", "open")])
async def test_a_caller_that_reads_slowly_does_not_get_its_target_blamed(tmp_path: Path, slow: bool, fault: str, state: str) -> None:
    routing = Routing(assistant="{target: simulated, retries: {max: 0}}", limits="{total_s: 0.3}")
    changes = {"breaker: {failures: 1000}": "breaker: {failures: 1}"}
    async with local_gateway(tmp_path, f"rules: [{{reply: one two three, fault: {fault}}}]", routing=routing, changes=changes) as local:
        body = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        call = Call(surface="chat", key=local.key(), body=body, size=100, stream=True, traceparent=None, received_ns=time.time_ns())
        outcome = await run(local.gateway.services, call)
        assert isinstance(outcome, ReleasedStream)
        if slow:
            await asyncio.sleep(0.5)
        events = [event async for event in outcome.rest]
        assert b"upstream.timeout" in events[-1]
        assert local.gateway.services.breakers.state("simulated") == state
        assert local.gateway.services.limits.running == 0
