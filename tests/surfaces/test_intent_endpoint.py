"""What the endpoints that bring intents share: headers in, headers out, and a client that leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.testing import LocalGateway, local_gateway
from tests.pipeline.rego import ALLOW, intent_says

HELLO = [{"role": "user", "content": "hello"}]


async def test_the_callers_trace_goes_on_to_the_upstream(local: LocalGateway) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    reply = await local.chat({"model": "assistant", "messages": HELLO}, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert reply.headers["x-gateway-trace"] == trace
    assert local.provider.requests[0].headers["traceparent"].split("-")[1] == trace
    assert local.provider.requests[0].headers["traceparent"].split("-")[2] != "b7ad6b7169203331"


async def test_the_callers_own_headers_do_not_go_on(local: LocalGateway) -> None:
    await local.chat({"model": "assistant", "messages": HELLO}, headers={"cookie": "session=1", "x-custom": "mine"})
    sent = local.provider.requests[0].headers
    assert "cookie" not in sent
    assert "x-custom" not in sent
    assert "gw_" not in sent.get("authorization", "")


async def test_a_client_that_leaves_before_the_answer_is_recorded_and_its_place_is_free(local: LocalGateway) -> None:
    await local.chat({"model": "assistant", "messages": HELLO}, leave_after=0)
    await asyncio.sleep(0.05)
    states = [entry["facts"]["state"] for entry in await local.entries() if entry["kind"] == "closed"]
    assert states == ["cancelled"]
    assert local.gateway.services.limits.running == 0


DENY = {"outcome": "deny", "reasons": [{"rule": "closed", "message": "closed"}], "obligations": {}}
DECISIONS = [
    # model, the provider's script, the intent policy, what the header says
    ("assistant", "", ALLOW, "allow"),
    ("assistant", "rules: [{fault: {status: 500}}]", ALLOW, "allow"),
    ("assistant", "", DENY, "deny"),
    ("no-such-model", "", ALLOW, None),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "script", "verdict", "said"), DECISIONS)
async def test_the_decision_header_says_what_policy_said(
    tmp_path: Path, model: str, script: str, verdict: dict[str, Any], said: str | None, stream: bool
) -> None:
    async with local_gateway(tmp_path, script, policies=intent_says(verdict)) as local:
        reply = await local.chat({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
        assert reply.headers.get("x-gateway-decision") == said


async def test_a_call_that_a_stop_cuts_off_is_told_so_in_openais_shape(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, "rules: [{reply: late, first_token_ms: 5000}]") as slow:
        call = asyncio.create_task(slow.chat({"model": "assistant", "messages": HELLO}))
        await asyncio.sleep(0.3)
        assert len(slow.provider.requests) == 1
        slow.gateway.services.limits.draining = True
        next(task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == "Front.__call__").cancel()
        reply = await call
        assert (reply.status, reply.json["error"]["code"]) == (503, "shutting_down")
        facts = (await slow.entries())[-1]["facts"]
        assert (facts["state"], facts["reason"], facts["http_status"]) == ("cancelled", "gateway.shutdown", 503)
