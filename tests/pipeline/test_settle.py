"""What ends without going on does so once, with its task and its record, and whoever waits is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain import Reason, State
from gateway.domain_tasks import TaskState
from gateway.errors import Conflict, PolicyDenied, RecordUnavailable
from gateway.pipeline.settle import Settlement, end_parked
from tests.pipeline.desk import at_answer, at_intent, desk, fail_moves, until

NO = Settlement(State.REFUSED, PolicyDenied((Reason("test.no", "no"),)), TaskState.DECIDED, "refuse", "k1", "Ada", facts={"seen": 1})


async def test_row_task_record_and_answer_end_together(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer()) as people:
        case = await people.park()
        waiting = asyncio.create_task(people.ask(wait="20"))
        await until(lambda: len(people.local.gateway.services.waiting._ended) == 1)
        await end_parked(people.local.gateway.services, case.loaded(), NO)
        assert (await waiting).status == 403
        row, task = case.loaded().row, case.task
        assert (row.state, row.http_status, row.ready_ns, row.expires_ns is not None) == ("refused", 403, None, True)
        assert (task.state, task.outcome, set(case.loaded().payloads)) == ("decided", "refuse", {"answer"})
        closed = case.record().first("closed")
        assert closed is not None
        assert {name: closed.facts[name] for name in ("state", "reason", "http_status", "task", "seen")} == {
            "state": "refused",
            "reason": "test.no",
            "http_status": 403,
            "task": task.id,
            "seen": 1,
        }
        (last,) = people.query("SELECT move, by, name FROM task_moves ORDER BY seq DESC LIMIT 1")
        assert last == {"move": "refuse", "by": "k1", "name": "Ada"}


async def test_of_several_who_end_it_one_does(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        loaded, services = case.loaded(), people.local.gateway.services
        ends = await asyncio.gather(*(end_parked(services, loaded, NO) for _ in range(4)), return_exceptions=True)
        assert sorted(type(end).__name__ for end in ends) == ["Conflict", "Conflict", "Conflict", "NoneType"]
        assert case.kinds() == ["opened", "parked", "closed"]


async def test_what_is_not_written_down_has_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        with monkeypatch.context() as patch:
            fail_moves(patch, "closed")
            with pytest.raises(RecordUnavailable):
                await end_parked(people.local.gateway.services, case.loaded(), NO)
        assert (case.loaded().row.state, case.task.state) == ("parked", "open")


async def test_it_ends_though_whoever_ends_it_goes_away(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        ending = asyncio.create_task(end_parked(people.local.gateway.services, case.loaded(), NO))
        await asyncio.sleep(0)
        ending.cancel()
        await asyncio.wait({ending})
        await until(lambda: case.loaded().row.state == "refused")
        assert case.kinds() == ["opened", "parked", "closed"]


async def test_what_waits_for_nobody_is_not_ended(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        with pytest.raises(Conflict, match="waits for nobody"):
            await end_parked(people.local.gateway.services, case.loaded()._replace(task=None), NO)
