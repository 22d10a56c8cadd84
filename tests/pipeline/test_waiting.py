"""Who waits is told at once of what ends here, soon of what ends elsewhere, and costs nothing but a connection."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.intents import IntentStore
from gateway.errors import NotFound, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from tests.pipeline.desk import at_intent, desk, until


async def test_what_ends_here_is_told_without_a_poll(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(), waiting="{sweep_s: 60, poll_s: 10}") as people:
        case, waiting = await people.park(), people.local.gateway.services.waiting
        callers = [asyncio.create_task(waiting.outcome("acme", case.intent, 20)) for _ in range(20)]
        await until(lambda: len(waiting._ended.get(("acme", case.intent), ())) == 20)
        await case.accept()
        outcomes = await asyncio.wait_for(asyncio.gather(*callers), 8)
        assert {outcome.state for outcome in outcomes if outcome is not None} == {"completed"}
        assert waiting._ended == {}
        assert "gateway_callers_waiting 0.0" in (await people.local.get("/metrics")).body.decode()


async def test_what_ends_elsewhere_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, waiting = await people.park(), people.local.gateway.services.waiting
        monkeypatch.setattr(waiting, "notify", lambda *_: None)
        caller = asyncio.create_task(waiting.outcome("acme", case.intent, 20))
        await until(lambda: waiting._ended)
        await case.accept()
        await until(lambda: case.loaded().row.state == "completed")
        monkeypatch.undo()
        outcome = await caller
        assert outcome is not None
        assert outcome.state == "completed"


async def test_nobody_is_asked_about_while_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = IntentStore.ended

    def ended(self: IntentStore, places: Any) -> Any:
        asked.append(places)
        return real(self, places)

    monkeypatch.setattr(IntentStore, "ended", ended)
    async with desk(tmp_path, at_intent()) as people:
        first, second = await people.park("1"), await people.park("2")
        waiting = people.local.gateway.services.waiting
        await asyncio.sleep(0.2)
        assert asked == []
        await asyncio.gather(*(waiting.outcome("acme", case.intent, 0.4) for case in (first, second, first)))
        assert {frozenset(places) for places in asked} == {frozenset({("acme", first.intent), ("acme", second.intent)})}
        await asyncio.sleep(0.1)
        so_far = len(asked)
        await asyncio.sleep(0.2)
        assert len(asked) == so_far


async def test_when_the_time_is_over_there_is_nothing_to_tell(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, waiting = await people.park(), people.local.gateway.services.waiting
        assert await waiting.outcome("acme", case.intent, 0) is None
        assert await waiting.outcome("acme", case.intent, 0.1) is None


async def test_what_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, waiting = await people.park(), people.local.gateway.services.waiting
        for tenant, intent in (("acme", "int_nothing"), ("globex", case.intent)):
            with pytest.raises(NotFound):
                await waiting.outcome(tenant, intent, 5)


async def test_a_database_that_fails_is_told_to_who_comes_and_outlived_by_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise DatabaseError("gone")

    async with desk(tmp_path, at_intent()) as people:
        case, waiting = await people.park(), people.local.gateway.services.waiting
        with monkeypatch.context() as patch:
            patch.setattr(IntentStore, "load", broken)
            with pytest.raises(RecordUnavailable):
                await waiting.outcome("acme", case.intent, 5)
        caller = asyncio.create_task(waiting.outcome("acme", case.intent, 20))
        await until(lambda: waiting._ended)
        with monkeypatch.context() as patch:
            patch.setattr(IntentStore, "ended", broken)
            await asyncio.sleep(0.2)
        await case.accept()
        outcome = await caller
        assert outcome is not None
        assert outcome.state == "completed"


async def test_who_leaves_is_forgotten(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, waiting = await people.park(), people.local.gateway.services.waiting
        caller = asyncio.create_task(waiting.outcome("acme", case.intent, 20))
        await until(lambda: waiting._ended)
        caller.cancel()
        await asyncio.wait({caller})
        assert waiting._ended == {}
        waiting.notify("acme", case.intent)


async def test_at_the_end_of_the_process_everybody_is_sent_away(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, waiting = await people.park(), people.local.gateway.services.waiting
        callers = [asyncio.create_task(waiting.outcome("acme", case.intent, 60)) for _ in range(3)]
        await until(lambda: len(waiting._ended.get(("acme", case.intent), ())) == 3)
        waiting.close()
        assert await asyncio.wait_for(asyncio.gather(*callers), 5) == [None, None, None]
        assert case.loaded().row.state == "parked"


async def test_who_was_told_is_noted_once_and_only_of_what_has_ended(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, waiting = await people.park(), people.local.gateway.services.waiting
        await waiting.collected("acme", case.intent)
        await waiting.collected("acme", "int_nothing")
        assert case.loaded().row.collected_ns is None
        await case.accept()
        await case.outcome()
        await waiting.collected("acme", case.intent)
        noted = case.loaded().row.collected_ns
        assert noted is not None
        await waiting.collected("acme", case.intent)
        assert case.loaded().row.collected_ns == noted
