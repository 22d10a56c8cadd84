"""Several processes move the same intents and tasks at the same moment: each its own connection, all of one database."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.intents import BusyError, IntentStore, JoinError, StaleError, TakenError, begin, park, postpone, resume, settle, sweep_expired
from gateway.capabilities.tasks.store import TaskStore, claim, decide
from gateway.domain import State
from gateway.domain_tasks import Action, TaskState
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import LedgerWriter
from gateway.settings import Secret
from tests.capabilities.waiting_rows import Desk, a_move, a_task, an_approval, an_intent, race

MANY = 6


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address, durability="process")
    database.prepare()
    return database


def outcomes(found: list[Any]) -> Counter[str]:
    return Counter(type(each).__name__ for each in found)


def join(number: int, desk: Desk) -> None:
    row = an_intent(str(number))._replace(call_sha256="same")
    desk.move(park(row, task=a_task(str(number)), payloads=[], announce=False, join_since_ns=0))


def start(number: int, desk: Desk) -> None:
    desk.move(begin(an_intent(str(number), State.RUNNING)._replace(idempotency_key="same")))


def test_of_the_same_call_one_waits_and_the_others_join_it(database: Database) -> None:
    found = race(database, [partial(join, number) for number in range(MANY)])
    assert outcomes(found) == {"NoneType": 1, "JoinError": MANY - 1}
    waiting = IntentStore(database).same_call("acme", "key_agent", "same", 0)
    assert waiting is not None
    assert {each.intent_id for each in found if isinstance(each, JoinError)} == {waiting.id}


def test_of_the_same_key_one_runs_and_the_others_are_told_which(database: Database) -> None:
    found = race(database, [partial(start, number) for number in range(MANY)])
    assert outcomes(found) == {"NoneType": 1, "TakenError": MANY - 1}
    running = IntentStore(database).by_key("acme", "key_agent", "same")
    assert {each.row for each in found if isinstance(each, TakenError)} == {running}


def test_of_those_who_claim_a_task_one_gets_it_and_the_others_learn_who(database: Database) -> None:
    Desk(database).park()

    def take(number: int, desk: Desk) -> str:
        row = desk.move(claim("acme", "tsk_1", by=f"key_{number}", name=f"Person {number}", now_ns=2_000, until_ns=3_000))
        return str(row.claimed_name)

    found = race(database, [partial(take, number) for number in range(MANY)])
    (winner,) = (each for each in found if isinstance(each, str))
    lost = [each for each in found if isinstance(each, StaleError)]
    assert len(lost) == MANY - 1
    assert {each.claimed_name for each in lost if not isinstance(each, BusyError)} <= {winner}
    row = TaskStore(database).get("acme", "tsk_1")
    assert row is not None
    assert (row.claimed_name, row.version) == (winner, 2)


def test_an_intent_goes_on_once_and_an_approval_is_used_once(database: Database) -> None:
    desk = Desk(database)
    desk.park()
    desk.move(accepting(1, "key_1"))
    desk.close()

    def go_on(number: int, desk: Desk) -> None:
        desk.move(resume("acme", "int_1", version=2, now_ns=number, trace="", approvals=(an_approval(by="key_1").id,)))

    found = race(database, [partial(go_on, number) for number in range(MANY)])
    assert outcomes(found) == {"NoneType": 1} | Counter(type(each).__name__ for each in found if isinstance(each, StaleError))
    loaded = IntentStore(database).load("acme", "int_1")
    assert loaded is not None
    assert (loaded.row.state, loaded.row.version, loaded.approvals[0].used_ns) == ("running", 3, found.index(None))


def accepting(version: int, by: str, *, complete: bool = True) -> Any:
    approval = an_approval(by=by)
    fixed: dict[str, Any] = {"name": by, "now_ns": 3_000, "action": Action.ACCEPT, "approval": approval, "revoke": (), "payloads": ()}
    return decide("acme", "tsk_1", version=version, by=by, complete=complete, ready_ns=3_000 if complete else None, **fixed)


def refusing(version: int, state: State, task_state: TaskState, move: str) -> Any:
    fixed: dict[str, Any] = {"now_ns": 3_000, "http_status": 403, "answer": None, "expires_ns": 9_000}
    return settle("acme", "int_1", version=version, state=state, task_state=task_state, move=a_move(move, by="key_refuser"), **fixed)


@pytest.mark.parametrize("complete", [True, False])
def test_of_decisions_refusal_cancellation_and_expiry_at_once_exactly_one_is_heard(database: Database, complete: bool) -> None:
    desk = Desk(database)
    desk.park()
    desk.close()
    moves = [
        accepting(1, "key_1", complete=complete),
        accepting(1, "key_2", complete=complete),
        refusing(1, State.REFUSED, TaskState.DECIDED, "refuse"),
        refusing(1, State.CANCELLED, TaskState.CANCELLED, "cancel"),
        refusing(1, State.EXPIRED, TaskState.EXPIRED, "expire"),
    ]

    def run(effect: Any, desk: Desk) -> None:
        desk.move(effect)

    found = race(database, [partial(run, effect) for effect in moves])
    assert [each for each in found if each is not None and not isinstance(each, StaleError)] == []
    assert found.count(None) == 1
    loaded = IntentStore(database).load("acme", "int_1")
    assert loaded is not None
    assert (loaded.row.version, len(loaded.approvals), len(TaskStore(database).moves("acme", "tsk_1"))) == (2, int(found.index(None) < 2), 2)


@pytest.mark.services
def test_two_batches_that_need_each_others_rows_do_not_wait_for_each_other(ready_postgres: Secret) -> None:
    database = Database(ready_postgres, durability="process")
    desk = Desk(database)
    for name in ("a", "b"):
        desk.stand(an_intent(name)._replace(ready_ns=1))
    desk.close()
    both = threading.Barrier(2)

    def crosswise(first: str, second: str, desk: Desk) -> str:
        ledger = LedgerWriter(database, f"cross {first}")
        try:
            with ledger.transaction() as transaction:
                assert transaction.attempt(postpone("acme", first, ready_ns=2)).error is None
                both.wait()
                error = transaction.attempt(postpone("acme", second, ready_ns=3)).error
                assert isinstance(error, BusyError)
                both.wait()
        finally:
            ledger.close()
        return str(error.state)

    assert race(database, [partial(crosswise, "int_a", "int_b"), partial(crosswise, "int_b", "int_a")]) == ["parked", "parked"]
    assert sorted(IntentStore(database).ready(2, 10)) == [("acme", "int_a"), ("acme", "int_b")]


def test_sweeps_at_once_delete_each_row_once(database: Database) -> None:
    desk = Desk(database)
    for number in range(40):
        desk.stand(an_intent(str(number), State.COMPLETED), a_task(str(number), TaskState.DECIDED))
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE intents SET expires_ns = 1")
    desk.close()

    def sweep(desk: Desk) -> int:
        return desk.move(sweep_expired(5, 10))

    found = race(database, [sweep] * 4)
    left = 40 - sum(each for each in found if isinstance(each, int))
    assert [each for each in found if isinstance(each, Exception)] == []
    assert len(IntentStore(database).ended([("acme", f"int_{number}") for number in range(40)])) == 40
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM intents").scalar_one() == left
        assert connection.exec_driver_sql("SELECT count(*) FROM tasks").scalar_one() == left
