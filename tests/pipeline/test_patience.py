"""Whoever has locked an intent's row at that very moment, how it ends and that it waits is written all the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from gateway.capabilities.intents import BusyError, StaleError
from gateway.infrastructure import database_intents as rows
from gateway.infrastructure.database_intents import IntentRow
from gateway.pipeline import patience
from gateway.pipeline.patience import patiently
from gateway.pipeline.services import Services
from tests.pipeline.desk import at_answer, at_intent, desk, escalates


@dataclass(slots=True)
class Lock:
    """Another process that has the rows of intents in ``state`` for so many tries."""

    state: str
    tries: int


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> Lock:
    found, of_database = Lock("running", 0), rows.locked_intent

    def locked(connection: Connection, tenant: str, intent_id: str) -> IntentRow:
        row = of_database(connection, tenant, intent_id)
        if found.tries and row.state == found.state:
            found.tries -= 1
            raise BusyError("it is being changed by somebody else", state=row.state)
        return row

    monkeypatch.setattr(rows, "locked_intent", locked)
    return found


async def test_an_answer_is_not_lost_where_its_row_is_locked_when_it_ends(tmp_path: Path, lock: Lock) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello")
        lock.tries = 3
        await case.accept()
        assert await case.text() == "hello"
        assert (lock.tries, case.kinds()) == (0, ["opened", "parked", "decided", "resumed", "closed"])


async def test_an_answer_is_held_where_its_row_is_locked_when_it_is_to_wait_again(tmp_path: Path, lock: Lock) -> None:
    async with desk(tmp_path, {**at_answer(), "intent.rego": escalates("intent")}) as people:
        case = await people.park("hello")
        lock.tries = 3
        await case.accept()
        while case.loaded().row.holds < 2:
            await people.local.get(f"/v1/intents/{case.intent}?wait=0.1")
        assert (lock.tries, case.loaded().row.state) == (0, "parked")
        await case.accept()
        assert await case.text() == "hello"


async def test_an_intent_is_refused_where_its_row_is_locked(tmp_path: Path, lock: Lock) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        lock.state, lock.tries = "parked", 2
        assert (await case.decide("refuse")).status == 200
        assert (lock.tries, (await case.refusal())[0]) == (0, "refused")


@pytest.mark.parametrize(("refused", "moves"), [(BusyError("locked", state="running"), 3), (StaleError("it has ended", state="failed"), 1)])
async def test_what_is_locked_for_too_long_or_has_changed_is_refused(refused: StaleError, moves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[Any]()

    async def move(effect: Any, *entries: Any) -> None:
        made.append((effect, *entries))
        raise refused

    monkeypatch.setattr(patience, "PAUSES_S", (0.0, 0.0))
    with pytest.raises(type(refused)):
        await patiently(cast("Services", SimpleNamespace(records=SimpleNamespace(move=move))), lambda _: None)
    assert len(made) == moves
