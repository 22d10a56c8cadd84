"""A call with an idempotency key is made once, whatever becomes of its caller."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.testing import LocalGateway, Reply, Routing, local_gateway
from tests.surfaces.held import decided, holding, settled, task_of

BODY = {"model": "assistant", "messages": [{"role": "user", "content": "pay 100 to jane.doe@example.com"}]}
FAST = Routing(waiting="{keep_alive_s: 0.1}")
SLOW = "rules: [{reply: late, first_token_ms: 400}]"


async def once(local: LocalGateway, key: str = "order-1", *, leave_after: int | None = None, caller: str | None = None, **more: Any) -> Reply:
    return await local.chat({**BODY, **more}, headers={"idempotency-key": key}, leave_after=leave_after, key=caller)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_key_and_body_give_the_same_answer_without_a_second_call(local: LocalGateway, stream: bool) -> None:
    first, second = await once(local, stream=stream), await once(local, stream=stream)
    assert first.text == second.text == "pay 100 to jane.doe@example.com"
    assert first.headers["x-gateway-record"] == second.headers["x-gateway-record"]
    assert first.done == second.done == stream
    assert len(local.provider.requests) == 1


async def test_the_key_stands_for_one_body_of_one_subject(local: LocalGateway) -> None:
    await once(local)
    other_body = await once(local, temperature=0.5)
    assert (other_body.status, other_body.json["error"]["param"], other_body.headers["x-should-retry"]) == (409, "Idempotency-Key", "false")
    assert (await once(local, "order-2")).status == 200
    assert (await once(local, caller=local.key(teams=("sales",)), temperature=0.5)).status == 200
    assert len(local.provider.requests) == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_goes_on_when_its_caller_leaves(tmp_path: Path, stream: bool) -> None:
    async with local_gateway(tmp_path, SLOW) as local:
        await once(local, stream=stream, leave_after=0)
        await settled(local)
        assert [entry["facts"]["state"] for entry in await local.entries() if entry["kind"] == "closed"] == ["completed"]
        assert (await once(local, stream=stream)).text == "late"
        assert len(local.provider.requests) == 1


async def test_two_at_once_are_one_call(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, SLOW) as local:
        replies = await asyncio.gather(*(once(local) for _ in range(4)))
        assert [reply.text for reply in replies] == ["late"] * 4
        assert len({reply.headers["x-gateway-record"] for reply in replies}) == 1
        assert len(local.provider.requests) == 1


async def test_a_stream_with_a_key_has_keep_alives_while_its_whole_is_made(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, SLOW, routing=FAST) as local:
        reply = await once(local, stream=True)
        assert reply.body.startswith(b": keep-alive\n\n: keep-alive\n\n")
        assert (reply.text, reply.done) == ("late", True)


async def test_a_stream_with_a_key_that_fails_after_keep_alives_ends_in_an_error(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, "rules: [{reply: late, first_token_ms: 5000}]", routing=replace(FAST, limits="{total_s: 0.4}")) as local:
        reply = await once(local, stream=True)
        assert not reply.done
        assert reply.events[-1]["error"]["type"] == "upstream_error"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_held_call_with_a_key_waits_like_any_other(tmp_path: Path, stream: bool) -> None:
    async with holding(tmp_path) as local:
        waiting = [asyncio.create_task(once(local, stream=stream)) for _ in range(2)]
        await task_of(local)
        await asyncio.sleep(0.25)
        await decided(local)
        replies = await asyncio.gather(*waiting)
        assert [reply.text for reply in replies] == ["pay 100 to jane.doe@example.com"] * 2
        assert len(local.provider.requests) == 1


async def test_who_may_not_call_is_told_so_with_a_key_too(local: LocalGateway) -> None:
    reply = await local.chat(BODY, key="gw_nobody", headers={"idempotency-key": "order-1"})
    assert reply.status == 401


async def test_a_held_call_with_a_key_is_told_where_it_stands_whenever_it_is_sent(tmp_path: Path) -> None:
    async with holding(tmp_path, wait_s=0) as local:
        first, again = await once(local), await once(local)
        assert again.json["gateway"]["task"] == first.json["gateway"]["task"]
        assert (again.json["gateway"]["state"], again.headers["x-gateway-decision"]) == ("parked", "escalate")


async def test_a_key_that_comes_with_two_bodies_at_once_stands_for_one_of_them(tmp_path: Path) -> None:
    async with holding(tmp_path, wait_s=0) as local:
        replies = await asyncio.gather(once(local), once(local, temperature=0.5))
        assert sorted(reply.status for reply in replies) == [200, 409]
