"""A caller waits for a person, is told where its intent stands, comes back for the answer, or sends the same call again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.domain_tasks import Action
from gateway.testing import LocalGateway, Reply
from tests.surfaces.held import decided, held, holding, settled, task_of

BODY = {"model": "assistant", "messages": [{"role": "user", "content": "pay 100 to jane.doe@example.com"}]}


async def asked(local: LocalGateway, wait: str | None = None, **more: Any) -> Reply:
    headers = {} if wait is None else {"x-gateway-wait": wait}
    return await local.chat({**BODY, **more}, headers=headers)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("hook", ["intent", "answer"])
async def test_a_caller_that_waits_gets_the_answer_that_a_person_let_go(tmp_path: Path, hook: str, stream: bool) -> None:
    async with holding(tmp_path, held(hook, "approve" if hook == "intent" else "review"), buffered=True) as local:
        waiting = asyncio.create_task(asked(local, stream=stream))
        await task_of(local)
        await asyncio.sleep(0.25)
        await decided(local)
        reply = await waiting
        assert reply.status == 200
        assert reply.text == "pay 100 to jane.doe@example.com"
        assert reply.headers["x-gateway-decision"] == "escalate"
        assert reply.body.startswith(b": keep-alive\n\n" if stream else b" ")
        assert reply.done == stream
        told = reply.events[-1]["gateway"] if stream else reply.json["gateway"]
        assert told["record"] == reply.headers["x-gateway-record"]


async def test_a_decision_before_the_first_keep_alive_leaves_status_and_headers_of_their_own(tmp_path: Path) -> None:
    async with holding(tmp_path, keep_alive_s=60) as local:
        waiting = asyncio.create_task(asked(local))
        await decided(local)
        accepted = await waiting
        assert (accepted.status, accepted.headers["x-gateway-decision"], accepted.headers["x-gateway-target"]) == (200, "allow", "simulated")
        waiting = asyncio.create_task(asked(local))
        await decided(local, Action.REFUSE)
        refused = await waiting
        assert (refused.status, refused.headers["x-should-retry"], refused.headers["x-gateway-decision"]) == (403, "false", "deny")


async def test_a_refusal_after_keep_alives_is_a_completion_that_says_so(tmp_path: Path) -> None:
    async with holding(tmp_path) as local:
        waiting = asyncio.create_task(asked(local))
        await task_of(local)
        await asyncio.sleep(0.25)
        await decided(local, Action.REFUSE)
        reply = await waiting
        message = reply.json["choices"][0]["message"]
        assert (reply.status, message["content"], bool(message["refusal"])) == (200, None, True)
        assert (reply.json["gateway"]["state"], reply.json["gateway"]["error"]["message"]) == ("refused", message["refusal"])


@pytest.mark.parametrize("stream", [False, True])
async def test_who_does_not_wait_is_told_at_once_where_the_intent_stands_and_joins_it_later(tmp_path: Path, stream: bool) -> None:
    async with holding(tmp_path) as local:
        pending = await asked(local, "0", stream=stream)
        told = pending.events[-1]["gateway"] if stream else pending.json["gateway"]
        assert (pending.status, told["state"], told["poll"]) == (200, "parked", f"/v1/intents/{told['record']}")
        assert pending.text == ""
        assert (pending.headers["x-should-retry"], pending.headers["x-gateway-task"]) == ("false", told["task"]["id"])
        again = await asked(local, "0", stream=stream)
        joined = again.events[-1]["gateway"] if stream else again.json["gateway"]
        assert (joined["record"], joined["task"]["id"], joined["joined"]) == (told["record"], told["task"]["id"], True)
        await decided(local)
        found = await asked(local, "10", stream=stream)
        assert found.text == "pay 100 to jane.doe@example.com"
        assert len(local.provider.requests) == 1


async def test_an_answer_that_somebody_has_is_not_given_to_the_next_call(tmp_path: Path) -> None:
    async with holding(tmp_path) as local:
        first = await asked(local, "0")
        await decided(local)
        found = await asked(local, "10")
        assert found.headers["x-gateway-record"] == first.headers["x-gateway-record"]
        await settled(local)
        fresh = await asked(local, "0")
        assert fresh.json["gateway"]["state"] == "parked"
        assert fresh.headers["x-gateway-record"] != first.headers["x-gateway-record"]


async def test_a_client_that_leaves_while_it_waits_only_stops_waiting(tmp_path: Path) -> None:
    async with holding(tmp_path) as local:
        await local.chat(BODY, leave_after=1)  # after the first keep-alive
        await decided(local)
        found = await asked(local, "10")
        assert found.text == "pay 100 to jane.doe@example.com"
        assert local.gateway.services.limits.running == 0


async def test_a_route_can_say_that_nobody_waits(tmp_path: Path) -> None:
    async with holding(tmp_path, wait_s=0) as local:
        assert (await asked(local)).json["gateway"]["state"] == "parked"


async def test_whoever_waits_is_told_where_they_stand_when_the_gateway_stops(tmp_path: Path) -> None:
    async with holding(tmp_path) as local:
        waiting = asyncio.create_task(asked(local))
        await task_of(local)
        services = local.gateway.services
        services.limits.draining = True
        services.waiting.close()
        reply = await waiting
        assert reply.json["gateway"]["state"] == "parked"


async def test_pending_embeddings_are_a_conflict_that_no_client_retries(tmp_path: Path) -> None:
    async with holding(tmp_path) as local:
        headers = {"content-type": "application/json", "authorization": f"Bearer {local.key()}", "x-gateway-wait": "0"}
        reply = await local.request("POST", "/v1/embeddings", headers, b'{"model": "assistant", "input": "hello"}')
        assert (reply.status, reply.json["error"]["code"], reply.headers["x-should-retry"]) == (409, "pending", "false")
        assert "x-gateway-task" in reply.headers


BAD = [
    # header, value
    ("x-gateway-wait", "-1"),
    ("x-gateway-wait", "soon"),
    ("x-gateway-wait", "86401"),
    ("x-gateway-wait", "nan"),
    ("x-gateway-wait", "1e3"),
    ("x-gateway-wait", ""),
    ("x-gateway-wait", "\xb2"),
    ("Idempotency-Key", ""),
    ("Idempotency-Key", "k" * 256),
    ("Idempotency-Key", "t\xe9l"),
    ("Idempotency-Key", "tab\there"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
async def test_a_header_that_says_nothing_sensible_is_refused_by_name(local: LocalGateway, name: str, value: str) -> None:
    reply = await local.chat(BODY, headers={name: value})
    assert (reply.status, reply.json["error"]["param"]) == (400, name)
    assert not value.strip() or value not in reply.json["error"]["message"]


@pytest.mark.parametrize("value", ["0", "0.5", "86400", "00001"])
async def test_a_wait_of_seconds_changes_nothing_where_nobody_is_waited_for(local: LocalGateway, value: str) -> None:
    reply = await local.chat(BODY, headers={"x-gateway-wait": value})
    assert (reply.status, reply.headers["x-gateway-decision"]) == (200, "allow")
