"""Callers wait at one gateway and people decide at another: the forms of answers, refusals and pending answers, before and after keep-alives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from gateway.settings import Secret
from gateway.testing import Reply
from tests.integration.people_stage import Hall, hall, until

EITHER = pytest.mark.parametrize("address", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)], indirect=True)
FAST = "{sweep_s: 0.1, poll_s: 0.05, keep_alive_s: 0.15}"
SLOW = "{sweep_s: 0.1, poll_s: 0.05, keep_alive_s: 20}"
ENDS = ("accept", "refuse", "cancel", "expire")


async def waited(people: Hall, how: str, *, stream: bool, after_s: float) -> tuple[Reply, str]:
    """A call that waits at the first gateway while somebody ends it at the other one: what the caller got, and its intent."""
    route = "brief" if how == "expire" else "approve"
    call = asyncio.ensure_future(people.ask(route, f"{how} {stream}", wait="20", stream=stream))
    await until(lambda: people.query("SELECT id FROM tasks WHERE state = 'open'"))
    task = people.query("SELECT id, intent_id FROM tasks WHERE state = 'open'")[0]
    await asyncio.sleep(after_s)
    if how == "cancel":
        await people.call("DELETE", f"/v1/intents/{task['intent_id']}", key=people.key(), at=-1)
    elif how != "expire":
        await people.accepted(task["id"], how, at=-1)
    return await call, task["intent_id"]


@EITHER
async def test_after_keep_alives_the_status_is_200_and_the_rest_is_in_the_body(tmp_path: Path, address: Path | Secret) -> None:
    async with hall(tmp_path, address, waiting=FAST) as people:
        for how in ENDS:
            plain, intent = await waited(people, how, stream=False, after_s=0.4)
            assert (plain.status, plain.headers["x-gateway-decision"], plain.headers["x-gateway-record"]) == (200, "escalate", intent)
            assert plain.body[:1] == b" "
            message, about = plain.json["choices"][0]["message"], plain.json["gateway"]
            assert (message["content"] is not None, "error" in about) == (how == "accept", how != "accept"), plain.body
            if how != "accept":
                assert message["refusal"]
                assert about["error"]["code"] == ("cancelled" if how == "cancel" else "policy_denied")
            streamed, _ = await waited(people, how, stream=True, after_s=0.4)
            assert streamed.status == 200
            assert streamed.body.startswith(b":")
            assert (streamed.done, "error" in streamed.events[-1]) == (how == "accept", how != "accept"), streamed.body
        await people.verified()


@EITHER
async def test_before_a_keep_alive_an_end_has_its_own_status(tmp_path: Path, address: Path | Secret) -> None:
    statuses = {"accept": 200, "refuse": 403, "cancel": 409, "expire": 403}
    async with hall(tmp_path, address, waiting=SLOW) as people:
        for how in ENDS:
            for stream in (False, True):
                reply, _ = await waited(people, how, stream=stream, after_s=0)
                assert reply.status == statuses[how], (how, stream, reply.body)
                assert (reply.done if stream else "choices" in reply.json) == (how == "accept")
        await people.verified()


@pytest.mark.parametrize(
    ("header", "status"), [("0", 200), ("0.05", 200), ("00000", 200), ("86401", 400), ("-1", 400), ("1e1", 400), ("", 400), ("soon", 400), ("9999999", 400)]
)
async def test_how_long_a_caller_waits_is_a_number_of_seconds_up_to_a_day(tmp_path: Path, header: str, status: int) -> None:
    async with hall(tmp_path) as people:
        for stream in (False, True):
            reply = await people.ask("approve", wait=header, stream=stream)
            assert reply.status == status, reply.body
            if status == 400:
                assert reply.json["error"]["param"] == "x-gateway-wait"
                continue
            last = reply.events[-1] if stream else reply.json
            about = last["gateway"]
            assert (about["state"], about["task"]["id"], about["poll"]) == ("parked", reply.headers["x-gateway-task"], f"/v1/intents/{about['record']}")
            assert (reply.headers["x-should-retry"], reply.headers["x-gateway-decision"]) == ("false", "escalate")


@EITHER
async def test_a_gateway_that_stops_tells_who_waits_and_another_one_has_the_answer(tmp_path: Path, address: Path | Secret) -> None:
    async with hall(tmp_path, address) as people:
        call = asyncio.ensure_future(people.ask("approve", "wait for it", wait="60"))
        await until(lambda: people.query("SELECT id FROM tasks"))
        task = people.query("SELECT id, intent_id FROM tasks")[0]
        people.one.gateway.services.limits.draining = True
        people.one.gateway.services.waiting.close()
        told = await asyncio.wait_for(call, 10)
        assert (told.status, told.json["gateway"]["state"], told.json["gateway"]["task"]["id"]) == (200, "parked", task["id"])
        key = people.key()
        ada = people.reviewer()
    async with hall(tmp_path, address) as people:
        await people.accepted(task["id"], key=ada)
        found = await people.ask("approve", "wait for it", wait="20", key=key, at=-1)
        assert found.json["gateway"]["record"] in {task["intent_id"], found.headers["x-gateway-record"]}
        assert len(people.asked()) == 1
        assert orjson.loads(found.body)["choices"][0]["message"]["content"]
