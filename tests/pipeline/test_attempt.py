"""One call of a target: timed, counted and priced, whatever becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.costs import CostMeter
from gateway.testing import ALLOW_ALL, LocalGateway, local_gateway
from tests.pipeline.rego import READS_TEXT

MODES = [False, True]


async def attempts(local: LocalGateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(entry for entry in await local.entries() if entry["kind"] == "closed")["facts"]["attempts"]
    return found


@pytest.mark.parametrize("stream", MODES)
async def test_a_good_attempt_has_times_tokens_and_cost(tmp_path: Path, stream: bool) -> None:
    async with local_gateway(tmp_path, "rules: [{reply: 'one two', usage: {input: 1000, output: 2000, cached: 10}}]") as local:
        await local.ask("hello", stream=stream)
        [attempt] = await attempts(local)
        assert (attempt["target"], attempt["model"], attempt["status"], attempt["finish_reason"], attempt["error"]) == (
            "simulated", "simulated-1", 200, "stop", None,
        )  # fmt: skip
        assert attempt["started_ns"] <= attempt["first_token_ns"] <= attempt["ended_ns"]
        assert (attempt["usage"]["input_tokens"], attempt["usage"]["output_tokens"], attempt["usage"]["estimated"]) == (1000, 2000, False)
        assert attempt["cost_microusd"] == 1350


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("usage", ["omitted", "absurd"])
async def test_usage_that_is_missing_or_cannot_be_true_is_counted_and_marked(tmp_path: Path, usage: str, stream: bool) -> None:
    async with local_gateway(tmp_path, f"rules: [{{reply: 'one two three', usage: {usage}}}]") as local:
        reply = await local.ask("hello", stream=stream)
        [attempt] = await attempts(local)
        assert attempt["usage"]["estimated"] is True
        assert 0 < attempt["usage"]["output_tokens"] < 100
        assert (reply.events[-1] if stream else reply.json)["gateway"]["usage_estimated"] is True


@pytest.mark.parametrize("stream", MODES)
async def test_a_crash_after_the_call_leaves_the_attempt_on_record(local: LocalGateway, monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(CostMeter, "usage", broken)
    reply = await local.ask("hello", stream=stream)
    assert reply.status == (200 if stream else 500)
    assert not reply.done
    assert [attempt["error"] for attempt in await attempts(local)] == ["internal_error"]


async def test_the_target_gets_the_trace_of_the_intent(local: LocalGateway) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    reply = await local.chat(
        {"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}, headers={"traceparent": parent, "x-custom": "secret", "cookie": "a=b"}
    )
    headers = local.provider.requests[0].headers
    assert headers["traceparent"].split("-")[1] == reply.headers["x-gateway-trace"] == "0af7651916cd43dd8448eb211c80319c"
    assert headers["traceparent"].split("-")[2] != "b7ad6b7169203331"
    assert not {"x-custom", "cookie", "authorization"} & headers.keys()


@pytest.mark.parametrize("policies", [ALLOW_ALL, READS_TEXT], ids=["pass", "buffered"])
async def test_a_stream_that_never_said_anything_has_no_first_token_and_no_cost(tmp_path: Path, policies: dict[str, str]) -> None:
    async with local_gateway(tmp_path, "rules: [{fault: {malformed: no_choices}}]", policies=policies) as local:
        await local.ask("hello", stream=True)
        [attempt] = await attempts(local)
        assert (attempt["error"], attempt["first_token_ns"], attempt["usage"], attempt["cost_microusd"]) == ("upstream.cut", None, None, None)
