"""When what the gateway stands on fails while people are waited for, all are told what is true, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gateway.settings import Secret
from tests.integration.people_stage import FINAL, hall, policy, until

EITHER = pytest.mark.parametrize("address", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)], indirect=True)
Outage = Callable[[], AbstractContextManager[None]]
SLOW = "rules:\n  - {when: {contains: slowly}, fault: {slow: header, hang_s: 1}}\n  - {when: {contains: failing}, fault: {status: 500}}\n"


async def back(people: object, done: Callable[[], object]) -> None:
    """Wait until the database is used again."""

    def works() -> bool:
        try:
            return bool(done())
        except Exception:  # noqa: BLE001 - whatever it fails with while it comes back
            return False

    await until(works, 20)


@EITHER
async def test_a_database_that_is_away_loses_no_hold_claim_decision_or_answer(tmp_path: Path, address: Path | Secret, outage: Outage) -> None:
    async with hall(tmp_path, address, script=SLOW) as people:
        intent, task = await people.park("approve", "first")
        _, claimed = await people.park("approve", "second")
        key, ada = people.key(), people.reviewer()
        with outage():
            held = await people.ask("approve", "while it is away")
            assert (held.status, held.json["error"]["code"]) == (503, "record_unavailable"), held.body
            for method, path, body in (
                ("GET", "/v1/tasks", None),
                ("GET", f"/v1/tasks/{task}", None),
                ("POST", f"/v1/tasks/{claimed}/claim", None),
                ("POST", f"/v1/tasks/{task}/decide", {"action": "accept"}),
                ("POST", f"/v1/tasks/{task}/decide", {"action": "refuse"}),
                ("POST", f"/v1/tasks/{task}/withdraw", None),
            ):
                reply = await people.call(method, path, body, key=ada)
                assert (reply.status, reply.json["error"]["code"]) == (503, "record_unavailable"), (path, reply.body)
            for method in ("GET", "DELETE"):
                reply = await people.call(method, f"/v1/intents/{intent}", key=key)
                assert (reply.status, reply.json["error"]["code"]) == (503, "record_unavailable"), reply.body
        await back(people, lambda: people.query("SELECT 1 AS one"))
        assert people.asked() == []
        rows = people.query("SELECT state, version FROM tasks")
        assert [(row["state"], row["version"]) for row in rows] == [("open", 1)] * 2
        again = await eventually(people.ask, "approve", "while it is away")
        assert again == "parked"
        await people.accepted(task, key=ada)
        assert (await people.outcome(intent))["state"] == "completed"
        assert len(people.asked()) == 1
        await people.verified()


async def eventually(ask: Callable[..., object], *words: str) -> str:
    """What a call that may still be refused gives in the end."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        reply = await ask(*words)  # type: ignore[misc]  # an async method
        if reply.status == 200:
            return str(reply.json["gateway"]["state"])
        await asyncio.sleep(0.1)
    raise AssertionError(reply.body)


@EITHER
async def test_what_was_decided_before_the_database_went_away_goes_on_once_when_it_is_back(tmp_path: Path, address: Path | Secret, outage: Outage) -> None:
    async with hall(tmp_path, address) as people:
        parked = [await people.park("approve", f"number {number}") for number in range(4)]
        limits = people.one.gateway.services.limits
        async with people.held_up():
            for _, task in parked:
                await people.accepted(task)
            with outage():
                limits.in_flight = 10
                await asyncio.sleep(0.4)
                assert people.asked() == []
        for intent, _ in parked:
            assert (await people.outcome(intent))["state"] == "completed"
        assert len(people.asked()) == 4
        await people.verified()


@EITHER
async def test_an_answer_that_comes_while_the_database_is_away_is_not_given_out_and_not_asked_for_again(
    tmp_path: Path, address: Path | Secret, outage: Outage
) -> None:
    async with hall(tmp_path, address, script=SLOW) as people:
        intent, task = await people.park("approve", "slowly")
        await people.accepted(task)
        await until(people.asked)
        waiting = asyncio.ensure_future(people.call("GET", f"/v1/intents/{intent}?wait=3", key=people.key()))
        with outage():
            await asyncio.sleep(1.6)
        told = await waiting
        assert told.json.get("answer") is None or told.json["state"] == "completed"
        await back(people, lambda: people.state(intent) in FINAL)
        ended = await people.intent(intent)
        assert ended["state"] in {"indeterminate", "completed", "failed"}
        assert (ended["answer"] is not None) == (ended["state"] == "completed")
        assert len(people.asked()) == 1
        await people.verified()


async def test_a_provider_that_fails_after_the_approval_is_told_and_the_approval_is_used(tmp_path: Path) -> None:
    async with hall(tmp_path, script=SLOW) as people:
        waits = asyncio.ensure_future(people.ask("approve", "failing", wait="20"))
        await until(lambda: people.query("SELECT id FROM tasks"))
        task = people.query("SELECT id, intent_id FROM tasks")[0]
        await people.accepted(task["id"])
        reply = await waits
        assert (reply.status, reply.json["error"]["code"]) == (502, "upstream.unavailable")
        assert people.state(task["intent_id"]) == "failed"
        assert people.query("SELECT used_ns FROM approvals")[0]["used_ns"] is not None
        again = await people.ask("approve", "failing")
        assert again.headers["x-gateway-task"] != task["id"]
        assert len(people.asked()) == 1
        await people.verified()


async def test_dead_webhooks_and_collectors_keep_nobody_waiting(tmp_path: Path) -> None:
    queues = "{default: {webhook: {url: 'http://127.0.0.1:9/hook', secret: 'env:HASH'}}}"
    telemetry = "{traces: {endpoint: 'http://127.0.0.1:9'}, logs: {level: error}}"
    async with hall(tmp_path, queues=queues, telemetry=telemetry) as people:
        intent, task = await people.park("review")
        await until(lambda: people.query("SELECT attempts FROM announcements")[0]["attempts"] > 0)
        await people.accepted(task)
        assert (await people.outcome(intent))["state"] == "completed"
        assert people.query("SELECT * FROM announcements") == []


@pytest.mark.parametrize("hook", ["intent", "answer"])
async def test_a_policy_that_fails_when_the_intent_goes_on_refuses_it(tmp_path: Path, hook: str) -> None:
    fails = policy(hook).replace(
        "verdict := allow if count(given) > 0", 'verdict := {"outcome": "allow", "reasons": given, "obligations": {}} if count(given) > 0'
    )
    assert fails != policy(hook)
    async with hall(tmp_path, files={"intent.rego": policy("intent"), "answer.rego": policy("answer"), f"{hook}.rego": fails}) as people:
        intent, task = await people.park("approve" if hook == "intent" else "review")
        await people.accepted(task)
        ended = await people.outcome(intent)
        assert (ended["state"], ended["error"]["code"]) == ("refused", "policy_denied")
        assert len(people.asked()) == (hook == "answer")
        await people.verified()


async def test_a_locked_database_holds_people_up_and_nothing_else(tmp_path: Path) -> None:
    """Somebody else writes to the file for a while, such as a backup."""

    async with hall(tmp_path) as people:
        intent, task = await people.park("approve")
        key = people.reviewer()
        lock = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        deciding = asyncio.ensure_future(people.decide(task, key=key))
        assert (await people.call("GET", f"/v1/tasks/{task}", key=key)).json["state"] == "open"
        await asyncio.sleep(0.5)
        lock.execute("ROLLBACK")
        lock.close()
        assert (await deciding).status in {200, 503}
        if (await deciding).status == 503:
            await people.accepted(task)
        assert (await people.outcome(intent))["state"] == "completed"
        assert len(people.asked()) == 1
        await people.verified()
