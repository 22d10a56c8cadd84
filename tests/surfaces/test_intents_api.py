"""``/v1/intents/{id}``: who is told what of an intent, and who may call it off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from gateway.domain import Json
from gateway.domain_tasks import Action
from gateway.testing import LocalGateway, Reply
from tests.surfaces.held import decided, held, holding, settled, task_of

BODY = {"model": "assistant", "messages": [{"role": "user", "content": "pay 100 to jane.doe@example.com"}]}


@pytest.fixture
async def holds(tmp_path: Path) -> AsyncIterator[LocalGateway]:
    """A gateway whose policy holds every intent."""
    async with holding(tmp_path) as local:
        yield local


async def parked(local: LocalGateway) -> str:
    """The id of an intent that waits."""
    return (await local.chat(BODY, headers={"x-gateway-wait": "0"})).headers["x-gateway-record"]


async def shown(local: LocalGateway, intent: str, *, key: str | None = None, wait: str | None = None, method: str = "GET") -> Reply:
    query = "" if wait is None else f"?wait={wait}"
    return await local.request(method, f"/v1/intents/{intent}{query}", {"authorization": f"Bearer {key or local.key()}"}, b"")


async def ended(local: LocalGateway, intent: str) -> Json:
    return (await shown(local, intent, wait="10")).json


async def test_an_intent_that_waits_is_shown_with_its_task(holds: LocalGateway) -> None:
    intent = await parked(holds)
    told = (await shown(holds, intent)).json
    assert (told["id"], told["record"], told["object"], told["state"], told["route"]) == (intent, intent, "intent", "parked", "assistant")
    assert (told["answer"], told["error"], told["expires_at"]) == (None, None, None)
    assert (told["task"]["queue"], told["task"]["mode"], told["task"]["state"]) == ("default", "approve", "open")
    assert told["task"]["id"] == (await task_of(holds)).id
    assert told["created_at"].endswith("Z")


async def test_its_answer_is_the_body_that_the_call_would_have_had(holds: LocalGateway) -> None:
    intent = await parked(holds)
    await decided(holds)
    told = await ended(holds, intent)
    assert (told["state"], told["error"]) == ("completed", None)
    assert told["answer"]["choices"][0]["message"]["content"] == "pay 100 to jane.doe@example.com"
    assert told["answer"]["gateway"]["record"] == intent
    assert told["expires_at"] > told["changed_at"] >= told["created_at"]
    assert (await shown(holds, intent)).json == told


async def test_a_refusal_is_told_as_an_error(holds: LocalGateway) -> None:
    intent = await parked(holds)
    await decided(holds, Action.REFUSE)
    told = await ended(holds, intent)
    assert (told["state"], told["answer"]) == ("refused", None)
    assert told["error"].keys() == {"message", "type", "param", "code"}


async def test_a_question_can_wait_and_has_keep_alives(holds: LocalGateway) -> None:
    intent = await parked(holds)
    question = asyncio.create_task(shown(holds, intent, wait="10"))
    await asyncio.sleep(0.35)
    await decided(holds)
    reply = await question
    assert reply.body.startswith(b"  ")
    assert (reply.status, reply.json["state"]) == (200, "completed")


async def test_a_question_ends_with_its_time(holds: LocalGateway) -> None:
    reply = await shown(holds, await parked(holds), wait="0.25")
    assert (reply.status, reply.json["state"]) == (200, "parked")


@pytest.mark.parametrize("wait", ["soon", "-1", "86401", "1e9", "%00"])
async def test_a_wait_that_is_none_is_refused(holds: LocalGateway, wait: str) -> None:
    reply = await shown(holds, await parked(holds), wait=wait)
    assert (reply.status, reply.json["error"]["param"]) == (400, "wait")


async def test_whoever_has_fetched_the_answer_makes_a_new_call_with_the_next(holds: LocalGateway) -> None:
    intent = await parked(holds)
    await decided(holds)
    await ended(holds, intent)
    await settled(holds)
    assert await parked(holds) != intent


async def test_those_who_oversee_the_tenant_see_how_it_stands_but_not_the_answer(holds: LocalGateway) -> None:
    intent = await parked(holds)
    await decided(holds)
    mine = await ended(holds, intent)
    for role in ("operator", "auditor"):
        told = await shown(holds, intent, key=holds.key(teams=(), roles=(role,)))
        assert told.json == mine | {"answer": None}
        assert b"jane.doe" not in told.body


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_it_does_not_exist_for_others(holds: LocalGateway, method: str) -> None:
    intent = await parked(holds)
    others = [holds.key(teams=("sales",)), holds.key("globex"), holds.key("globex", roles=("operator",)), holds.key(teams=("sales",), roles=("reviewer",))]
    for key in others:
        reply = await shown(holds, intent, key=key, method=method)
        assert (reply.status, reply.json["error"]["code"]) == (404, "not_found")
    assert (await shown(holds, intent)).json["state"] == "parked"
    assert (await shown(holds, intent, key="gw_nobody", method=method)).status == 401


@pytest.mark.parametrize("intent", ["int_0", "x" * 201, "\x00", "int_\u00e9", "tsk_1"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_id_of_nothing_is_not_found(holds: LocalGateway, intent: str, method: str) -> None:
    assert (await shown(holds, intent, method=method)).status == 404


async def test_an_intent_that_never_waited_is_told_from_its_record(local: LocalGateway) -> None:
    intent = (await local.chat(BODY)).headers["x-gateway-record"]
    told = (await shown(local, intent, wait="5")).json
    assert (told["state"], told["route"], told["task"], told["answer"]) == ("completed", "assistant", None, None)
    assert (await shown(local, intent, key=local.key(teams=("sales",)))).status == 404
    assert (await shown(local, intent, key=local.key(teams=(), roles=("auditor",)))).json == told
    called_off = await shown(local, intent, method="DELETE")
    assert (called_off.status, called_off.json["error"]["code"]) == (409, "not_parked")


async def test_an_intent_can_be_called_off_by_whose_it_is(holds: LocalGateway) -> None:
    waiting = asyncio.create_task(holds.chat(BODY))
    intent = (await task_of(holds)).intent_id
    overseer = await shown(holds, intent, key=holds.key(teams=(), roles=("operator",)), method="DELETE")
    assert overseer.status == 404
    reply = await shown(holds, intent, method="DELETE")
    assert (reply.status, reply.json["state"], reply.json["task"]["state"]) == (200, "cancelled", "cancelled")
    assert reply.json["error"]["code"] == "cancelled"
    assert orjson.loads((await waiting).body)["error"]["code"] == "cancelled"
    again = await shown(holds, intent, method="DELETE")
    assert (again.status, again.headers["x-should-retry"]) == (409, "false")
    assert holds.provider.requests == []


async def test_an_intent_can_be_held_twice_and_its_newest_task_is_shown(tmp_path: Path) -> None:
    answer = held("answer", "review")["answer.rego"].replace("count(input.approvals) > 0", 'input.approvals[_].hook == "answer"')
    both = {"intent.rego": held()["intent.rego"], "answer.rego": answer}
    async with holding(tmp_path, both) as local:
        intent = await parked(local)
        first = (await task_of(local)).id
        await decided(local)
        second = await task_of(local)
        told = (await shown(local, intent)).json
        assert (told["state"], told["task"]["id"], told["task"]["mode"]) == ("parked", second.id, "review")
        assert second.id != first
        await decided(local, Action.EDIT, content="paid")
        assert (await ended(local, intent))["answer"]["choices"][0]["message"]["content"] == "paid"
