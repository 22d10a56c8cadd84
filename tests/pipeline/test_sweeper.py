"""What nobody decided in time goes the way that policy or its queue says, and what is stuck is in nobody's way."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.payloads import PayloadKeys
from gateway.domain_tasks import EXPIRY
from gateway.errors import PayloadUnavailable
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline import sweeper
from gateway.pipeline.sweeper import Sweeper
from tests.pipeline.desk import SLOW_SWEEPS, TWO_QUEUES, Case, Desk, always, at_answer, at_intent, desk, fail_moves, until

HANGS = "rules: [{when: {contains: hang}, first_token_ms: 600_000}, {reply: fine}]"


async def due(people: Desk, case: Case) -> None:
    """The time of the case's task is over."""
    with people.local.gateway.database.write() as connection:
        connection.exec_driver_sql("UPDATE tasks SET expires_ns = ? WHERE id = ?", (time.time_ns() - 1, case.task.id))


async def test_by_default_it_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"expires_in_s": 1})) as people:
        case = await people.park()
        assert await case.refusal() == ("expired", 403, ["approval.expired"])
        assert (case.task.state, case.task.outcome, people.asked()) == ("expired", "expire", [])
        closed = case.record().first("closed")
        assert closed is not None
        assert (closed.facts["state"], closed.facts["on_expiry"]) == ("expired", "refuse")
        reply = await case.decide()
        assert (reply.status, reply.json["error"]["code"]) == (409, "task_closed")


@pytest.mark.parametrize("hook", ["intent", "answer"])
async def test_a_release_goes_on_where_policy_takes_it_for_an_approval(tmp_path: Path, hook: str) -> None:
    terms = {"expires_in_s": 1, "on_expiry": "release"}
    async with desk(tmp_path, at_intent(terms=terms) if hook == "intent" else at_answer(terms=terms)) as people:
        case = await people.park()
        assert await case.text() == "please"
        assert (case.task.state, case.task.outcome) == ("expired", "release")
        resumed, closed = case.record().first("resumed"), case.record().first("closed")
        assert resumed is not None
        assert closed is not None
        assert resumed.facts["why"] == "expired"
        assert [(one["by"], one["action"]) for one in closed.facts["approvals"]] == [(EXPIRY, "accept")]
        assert len(people.asked()) == 1


@pytest.mark.parametrize("needed", [1, 2])
async def test_a_release_ends_where_policy_does_not_look_at_it(tmp_path: Path, needed: int) -> None:
    async with desk(tmp_path, always("intent", expires_in_s=1, on_expiry="release", min_approvers=needed)) as people:
        case = await people.park()
        assert await case.refusal() == ("refused", 403, ["policy.approval_ignored", "ask.people"])
        assert people.asked() == []


async def test_a_release_is_no_persons_approval(tmp_path: Path) -> None:
    """A policy can tell: nobody's name is on it."""
    policies = at_intent(terms={"expires_in_s": 1, "on_expiry": "release"})
    policies["intent.rego"] = policies["intent.rego"].replace('one.hook == "intent"]', 'one.hook == "intent"; one.by != "gateway.expiry"]')
    async with desk(tmp_path, policies) as people:
        case = await people.park()
        assert await case.refusal() == ("refused", 403, ["policy.approval_ignored", "ask.people"])


async def test_an_answer_by_a_person_that_nobody_gave_is_given_by_the_model(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"mode": "answer", "expires_in_s": 1, "on_expiry": "release"})) as people:
        case = await people.park()
        assert await case.text() == "please"
        assert len(people.asked()) == 1


async def test_a_task_moves_to_the_queue_that_is_named_and_is_decided_or_expires_there(tmp_path: Path) -> None:
    queues = "{first: {on_expiry: 'queue:second'}, second: {due_s: 30, expires_s: 120}}"
    async with desk(tmp_path, at_intent(terms={"queue": "first", "expires_in_s": 1}), queues=queues) as people:
        case = await people.park()
        await until(lambda: case.task.queue == "second")
        task = case.task
        assert (task.id, task.state, task.moved, task.on_expiry) == (case.first_task, "open", 1, "refuse")
        assert 119e9 < task.expires_ns - time.time_ns() < 120e9
        assert case.kinds() == ["opened", "parked"]
        await case.accept()
        assert await case.text() == "please"
        other = await people.park("other")
        await until(lambda: other.task.queue == "second")
        await due(people, other)
        assert await other.refusal() == ("expired", 403, ["approval.expired"])


async def test_what_was_approved_before_a_move_counts_after_it(tmp_path: Path) -> None:
    queues = "{first: {on_expiry: 'queue:second'}, second: {}}"
    async with desk(
        tmp_path, at_intent(terms={"queue": "first", "min_approvers": 2, "expires_in_s": 2}, enough=2), queues=queues, waiting=SLOW_SWEEPS
    ) as people:
        case = await people.park()
        await case.accept()
        await until(lambda: time.time_ns() > case.task.expires_ns)
        await people.local.gateway.looking.sweeper.sweep()
        assert case.task.queue == "second"
        await case.accept(by="Cleo")
        assert await case.text() == "please"


async def test_a_queue_that_the_config_has_no_more_refuses(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"on_expiry": "queue:second"}), queues="{default: {}, second: {}}", waiting=SLOW_SWEEPS) as people:
        case = await people.park()
        object.__setattr__(people.local.gateway.services, "queues", {"default": people.local.gateway.services.queues["default"]})
        await due(people, case)
        await people.local.gateway.looking.sweeper.sweep()
        assert await case.refusal() == ("expired", 403, ["approval.expired"])


async def test_a_release_whose_call_is_gone_fails(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"on_expiry": "release"})) as people:
        case = await people.park()
        with people.local.gateway.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM payloads WHERE kind = 'call'")
        await due(people, case)
        assert await case.refusal() == ("failed", 403, ["payload.expired"])


async def test_an_expiry_that_is_not_written_down_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "RETRY_S", 0.2)
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        with monkeypatch.context() as patch:
            failed = fail_moves(patch, "closed")
            await due(people, case)
            await until(lambda: len(failed) > 1)
            assert case.loaded().row.state == "parked"
        assert await case.refusal() == ("expired", 403, ["approval.expired"])


async def test_what_cannot_be_seen_to_is_not_in_the_way_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "AT_ONCE", 2)
    async with desk(tmp_path, at_intent(), waiting=SLOW_SWEEPS) as people:
        cases = [await people.park(f"call {at}") for at in range(4)]
        for case in cases:
            await due(people, case)
        real = sweeper.expire
        broken = {case.task.id for case in cases[:2]}

        async def expire(services: Any, task: TaskRow, *, now_ns: int) -> None:
            if task.id in broken:
                raise PayloadUnavailable("no key")
            await real(services, task, now_ns=now_ns)

        monkeypatch.setattr(sweeper, "expire", expire)
        looks = Sweeper(people.local.gateway.services, sweep_s=60)
        assert await looks.sweep() is False, "nothing was done: there is no hurry"
        assert await looks.sweep() is True
        assert [case.loaded().row.state for case in cases] == ["parked", "parked", "expired", "expired"]
        assert await looks.sweep() is False
        monkeypatch.setattr(sweeper, "RETRY_S", 0)
        broken.clear()
        looks._put_off.clear()
        assert await looks.sweep() is True
        assert {case.loaded().row.state for case in cases} == {"expired"}


async def test_a_defect_with_one_task_is_not_in_the_way_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sweeper.expire

    async def expire(services: Any, task: TaskRow, *, now_ns: int) -> None:
        if task.id == first.task.id:
            raise TypeError("a defect")
        await real(services, task, now_ns=now_ns)

    async with desk(tmp_path, at_intent()) as people:
        first, second = await people.park("first"), await people.park("second")
        monkeypatch.setattr(sweeper, "expire", expire)
        await due(people, first)
        await due(people, second)
        assert await second.refusal() == ("expired", 403, ["approval.expired"])
        assert first.loaded().row.state == "parked"


async def test_what_is_kept_no_longer_goes(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(), waiting="{sweep_s: 60, poll_s: 0.05, keep_s: 60}") as people:
        case = await people.park()
        await case.accept()
        await case.outcome()
        with people.local.gateway.database.write() as connection:
            connection.exec_driver_sql("UPDATE intents SET expires_ns = 1")
            connection.exec_driver_sql("UPDATE payloads SET expires_ns = 1")
        await Sweeper(people.local.gateway.services, sweep_s=60).sweep()
        assert (people.rows(), people.query("SELECT * FROM tasks"), people.query("SELECT * FROM payloads")) == ({}, [], [])
        assert people.query("SELECT * FROM approvals") == []
        assert case.record().state == "completed"


async def test_while_the_process_stops_nothing_new_goes_on(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        people.local.gateway.services.limits.draining = True
        await due(people, case)
        await asyncio.sleep(0.3)
        assert case.loaded().row.state == "parked"


async def test_another_process_goes_on_with_what_was_decided_here(tmp_path: Path) -> None:
    """The sweeper finds what a process has decided and did not live to go on with."""
    async with desk(tmp_path, at_intent(), waiting=SLOW_SWEEPS) as people:
        case = await people.park()
        async with people.full():
            await case.accept()
        assert case.loaded().row.state == "parked"
        await Sweeper(people.local.gateway.services, sweep_s=60).sweep()
        assert await case.text() == "please"


async def test_nothing_is_kept_for_a_tenant_without_a_key_and_nothing_is_lost(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(), waiting=SLOW_SWEEPS) as people:
        case = await people.park()
        await due(people, case)
        keys, none = people.local.gateway.services.payload_keys, PayloadKeys({})
        current, keys._current = keys._current, none._current
        looks = Sweeper(people.local.gateway.services, sweep_s=60)
        assert await looks.sweep() is False
        assert case.loaded().row.state == "parked"
        keys._current = current
        assert await Sweeper(people.local.gateway.services, sweep_s=60).sweep() is False
        assert await case.refusal() == ("expired", 403, ["approval.expired"])


@pytest.mark.parametrize("on_expiry", ["refuse", "release", "queue:second"])
async def test_what_was_decided_since_it_was_found_expired_is_left_alone(tmp_path: Path, on_expiry: str) -> None:
    async with desk(tmp_path, at_intent(terms={"min_approvers": 2, "on_expiry": on_expiry}), queues=TWO_QUEUES) as people:
        case = await people.park()
        found = case.task
        await case.accept()
        before = case.loaded()
        await sweeper.expire(people.local.gateway.services, found, now_ns=time.time_ns())
        assert (case.loaded().row, case.task) == (before.row, before.task)


async def decided(people: Desk, *texts: str, tenant: str = "acme") -> list[str]:
    """Intents of a tenant that people have accepted and that have not gone on, the oldest first."""
    parked = [await people.ask(text, key=people.local.key(tenant)) for text in texts]
    headers = {"content-type": "application/json", "authorization": f"Bearer {people.key('Bob', tenant=tenant)}"}
    async with people.full():
        for held in parked:
            reply = await people.local.request("POST", f"/v1/tasks/{held.headers['x-gateway-task']}/decide", headers, b'{"action": "accept"}')
            assert reply.status == 200, reply.body
    return [held.headers["x-gateway-record"] for held in parked]


async def left(people: Desk) -> None:
    """Whatever hangs is given up."""
    people.local.gateway.services.limits.draining = True
    await people.local.gateway.services.background.close(0.01)


async def test_models_that_hang_are_not_in_the_way_of_what_others_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "AT_ONCE", 2)
    monkeypatch.setattr(sweeper, "BEGINNING_S", 0)
    async with desk(tmp_path, at_intent(), HANGS, waiting=SLOW_SWEEPS) as people:
        *_, last = await decided(people, *(f"hang {at}" for at in range(5)), "go on")
        looks = Sweeper(people.local.gateway.services, sweep_s=60)
        for begun in (2, 4, 6):
            await looks.sweep()
            await until(lambda begun=begun: len(people.asked()) == begun)  # type: ignore[misc]  # mypy knows no lambda with a default
        await until(lambda: people.rows()[last] == "completed")
        assert list(people.rows().values()).count("running") == 5
        await left(people)


async def test_what_hangs_leaves_places_for_callers_and_for_other_tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "BEGINNING_S", 0)
    async with desk(tmp_path, at_intent(), HANGS, waiting=SLOW_SWEEPS) as people:
        limits = people.local.gateway.services.limits
        await decided(people, *(f"hang {at}" for at in range(6)))
        other, *_ = await decided(people, "go on", *(f"hang {at}" for at in range(6)), tenant="globex")
        limits.in_flight = 8
        looks = Sweeper(people.local.gateway.services, sweep_s=60)
        await looks.sweep()
        await until(lambda: people.rows()[other] == "completed")
        for _ in range(3):
            await looks.sweep()
        await until(lambda: (len(people.asked()), limits.running) == (4, 3))
        of_tenants = people.query("SELECT tenant, COUNT(*) AS hang FROM intents WHERE state = 'running' GROUP BY tenant ORDER BY tenant")
        assert of_tenants == [{"tenant": "acme", "hang": 2}, {"tenant": "globex", "hang": 1}], "of four places each has as many as it leaves"
        await left(people)


async def test_what_became_ready_while_nobody_looked_goes_on_without_waiting_for_another_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "AT_ONCE", 2)
    async with desk(tmp_path, at_intent(), HANGS, waiting=SLOW_SWEEPS) as people:
        intents = await decided(people, *(f"go on {at}" for at in range(9)))
        looks = Sweeper(people.local.gateway.services, sweep_s=600)
        looks.start()
        await until(lambda: set(people.rows().values()) == {"completed"})
        await looks.close()
        assert len(people.asked()) == len(intents) == 9


async def test_what_cannot_go_on_now_is_tried_again_without_haste(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[str]()

    async def resume(_: Any, __: str, intent_id: str) -> bool:
        tried.append(intent_id)
        return False

    monkeypatch.setattr(sweeper, "AT_ONCE", 2)
    async with desk(tmp_path, at_intent(), HANGS, waiting=SLOW_SWEEPS) as people:
        intents = await decided(people, *(f"go on {at}" for at in range(5)))
        with monkeypatch.context() as patch:
            patch.setattr(sweeper, "resume", resume)
            looks = Sweeper(people.local.gateway.services, sweep_s=600)
            looks.start()
            await until(lambda: len(looks._put_off) == 2)
            assert not looks._freed.is_set()
            await looks.close()
        assert tried == intents[:2]
