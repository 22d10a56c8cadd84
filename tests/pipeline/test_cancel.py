"""A caller takes back what waits, and nobody else can."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.intents import IntentStore
from gateway.domain import Subject
from gateway.errors import Conflict, NotFound, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.pipeline.cancel import cancel
from tests.pipeline.desk import Desk, at_answer, at_intent, desk, fail_moves, until


def caller(people: Desk, raw: str | None = None) -> Subject:
    return people.local.gateway.services.keys.identify(raw or people.local.key())


@pytest.mark.parametrize("policies", [at_intent(), at_answer()], ids=["approve", "review"])
async def test_an_intent_that_waits_is_cancelled_with_its_task(tmp_path: Path, policies: dict[str, str]) -> None:
    async with desk(tmp_path, policies) as people:
        case = await people.park()
        waiting = asyncio.create_task(people.ask(wait="20"))
        await until(lambda: len(people.local.gateway.services.waiting._ended) == 1)
        loaded = await cancel(people.local.gateway.services, caller(people), case.intent)
        assert (loaded.row.state, loaded.task and loaded.task.state, set(loaded.payloads)) == ("cancelled", "cancelled", {"answer"})
        reply = await waiting
        assert (reply.status, reply.json["error"]["code"]) == (409, "cancelled")
        closed = case.record().first("closed")
        assert closed is not None
        assert (closed.facts["state"], closed.facts["reason"]) == ("cancelled", "cancelled")
        decided = await case.decide()
        assert (decided.status, decided.json["error"]["code"]) == (409, "task_closed")
        afresh = await people.park()
        assert afresh.intent != case.intent


async def test_only_its_own_subject_can(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, services = await people.park(), people.local.gateway.services
        for other in (people.key("Eve", "operator"), people.local.key("globex")):
            with pytest.raises(NotFound):
                await cancel(services, caller(people, other), case.intent)
        with pytest.raises(NotFound):
            await cancel(services, caller(people), "int_nothing")
        assert case.loaded().row.state == "parked"


async def test_what_has_ended_is_not_cancelled(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        await case.accept()
        await case.outcome()
        with pytest.raises(Conflict, match="completed"):
            await cancel(people.local.gateway.services, caller(people), case.intent)


async def test_what_was_approved_and_did_not_go_on_yet_can_be_cancelled(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        async with people.full():
            await case.accept()
            loaded = await cancel(people.local.gateway.services, caller(people), case.intent)
        assert loaded.row.state == "cancelled"
        assert loaded.task is not None
        assert loaded.task.state == "decided"
        await asyncio.sleep(0.2)
        assert people.asked() == []


async def test_without_the_database_nothing_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise DatabaseError("gone")

    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        with monkeypatch.context() as patch:
            fail_moves(patch, "closed")
            with pytest.raises(RecordUnavailable):
                await cancel(people.local.gateway.services, caller(people), case.intent)
        with monkeypatch.context() as patch:
            patch.setattr(IntentStore, "load", broken)
            with pytest.raises(RecordUnavailable):
                await cancel(people.local.gateway.services, caller(people), case.intent)
        assert case.loaded().row.state == "parked"
