"""Places: taken while there are any, given back however an intent ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.testing import LocalGateway, local_gateway
from tests.pipeline.rego import ALLOW, intent_says


async def test_over_the_limit_nothing_happens_but_a_429(local: LocalGateway) -> None:
    local.gateway.services.limits.in_flight = 0
    reply = await local.ask("hello")
    assert (reply.status, reply.json["error"]["code"], reply.headers["retry-after"]) == (429, "overloaded", "1")
    assert local.provider.requests == []
    assert await local.entries() == []


async def test_a_draining_gateway_takes_nothing_new_and_is_not_ready(local: LocalGateway) -> None:
    local.gateway.services.limits.draining = True
    reply = await local.ask("hello")
    assert (reply.status, reply.json["error"]["code"]) == (503, "shutting_down")
    assert local.provider.requests == []
    assert (await local.get("/readyz")).status == 503
    assert (await local.get("/healthz")).status == 200


async def test_a_draining_gateway_finishes_what_runs(tmp_path: Path) -> None:
    slow = "rules: [{reply: 'one two three four', chunks: 4, pace_ms: 60}]"
    async with local_gateway(tmp_path, slow) as local:
        call = asyncio.create_task(local.ask("hello", stream=True))
        await asyncio.sleep(0.1)
        local.gateway.services.limits.draining = True
        reply = await call
        assert (reply.status, reply.done) == (200, True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["{status: 500}", "{reset: before}", "{reset: middle}", "{cut: close}"])
async def test_the_place_comes_back_however_the_call_ends(tmp_path: Path, fault: str, stream: bool) -> None:
    async with local_gateway(tmp_path, f"rules: [{{fault: {fault}}}]") as local:
        local.gateway.services.limits.in_flight = 1
        statuses = {(await local.ask("hello", stream=stream)).status for _ in range(3)}
        assert 429 not in statuses
        assert local.gateway.services.limits.running == 0


async def test_a_refused_intent_gives_its_place_back(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=intent_says({**ALLOW, "outcome": "deny"})) as local:
        await local.ask("hello")
        assert local.gateway.services.limits.running == 0
