"""Queries over waiting intents and tasks: that each finds what it wants by an index, and locks as it says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from gateway.capabilities.intents import IntentStore, begin, collected, finish, park, postpone, resume, settle, sweep_expired
from gateway.capabilities.tasks.store import TaskStore, announce_later, announced, claim, decide, lapse, move_queue, release, withdraw
from gateway.domain import State
from gateway.domain_tasks import Action, TaskState
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_intents import BusyError, StaleError, change_intent, locked_intent
from gateway.settings import Secret
from tests.capabilities.waiting_rows import ANN, Desk, a_move, a_payload, a_task, an_approval, an_intent

Statement = tuple[str, Any]


@contextmanager
def watched(database: Database) -> Iterator[list[Statement]]:
    """The statements that SQLAlchemy sends meanwhile."""
    sent = list[Statement]()

    def note(_connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        sent.append((statement, parameters[0] if many else parameters))

    event.listen(database.dialect.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.dialect.engine, "before_cursor_execute", note)


def plan(database: Database, statement: str, parameters: Any) -> list[str]:
    with database.read() as connection:
        return [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(tmp_path / "g.db", durability="process")
    database.prepare()
    return database


END: dict[str, Any] = {"now_ns": 4_000, "http_status": 403, "answer": a_payload("answer"), "expires_ns": 9_000}
DECIDED: dict[str, Any] = {"by": ANN, "name": "", "now_ns": 1, "action": Action.ACCEPT, "revoke": ["apr_x"], "payloads": [a_payload("draft")]}
THERE: dict[str, Any] = {"due_ns": 5_000, "expires_ns": 19_000, "on_expiry": "refuse", "now_ns": 9_000, "announce": True}
PAGE: dict[str, Any] = {"due_before_ns": 9_000, "limit": 50}
CURSOR = "MTp0c2tfMQ"

READS: dict[str, Callable[[IntentStore, TaskStore], object]] = {
    "get": lambda intents, _: intents.get("acme", "int_1"),
    "load": lambda intents, _: intents.load("acme", "int_1"),
    "ended": lambda intents, _: intents.ended([(tenant, f"int_{number}") for tenant in ("acme", "globex") for number in range(100)]),
    "by_key": lambda intents, _: intents.by_key("acme", "key_agent", "k"),
    "same_call": lambda intents, _: intents.same_call("acme", "key_agent", "call 1", 0),
    "ready": lambda intents, _: intents.ready(5_000, 100),
    "ready, without a crowd": lambda intents, _: intents.ready(5_000, 100, {"globex", "other"}),
    "all queues": lambda _, tasks: tasks.page("acme", states=[TaskState.OPEN, TaskState.CLAIMED], queues=None, cursor=None, **PAGE),
    "all queues, on": lambda _, tasks: tasks.page("acme", states=list(TaskState), queues=None, cursor=CURSOR, **PAGE),
    "some queues": lambda _, tasks: tasks.page("acme", states=[TaskState.OPEN], queues=["a", "b"], cursor=None, **PAGE),
    "some queues, on": lambda _, tasks: tasks.page("acme", states=[TaskState.OPEN], queues=["a", "b"], cursor=CURSOR, **PAGE),
    "task": lambda _, tasks: tasks.get("acme", "tsk_1"),
    "moves": lambda _, tasks: tasks.moves("acme", "tsk_1"),
    "approvals": lambda _, tasks: tasks.approvals("acme", "tsk_1"),
    "context": lambda _, tasks: tasks.context("acme", "int_1"),
    "lapsed": lambda _, tasks: tasks.lapsed(5_000, 100),
    "announcements": lambda _, tasks: tasks.announcements("approvals", 5_000, 100),
}
EFFECTS: dict[str, Callable[[], Any]] = {
    "claim": lambda: claim("acme", "tsk_1", by=ANN, name="", now_ns=1, until_ns=2),
    "release": lambda: release("acme", "tsk_1", by=ANN, name="", now_ns=1),
    "announce_later": lambda: announce_later("acme", "tsk_1", "approvals", attempts=1, due_ns=1, seen_attempts=0),
    "announced": lambda: announced("acme", "tsk_1", "approvals"),
    "decide": lambda: decide("acme", "tsk_1", version=3, approval=an_approval(), complete=False, ready_ns=None, **DECIDED),
    "withdraw": lambda: withdraw("acme", "tsk_1", version=4, approval_id=an_approval().id, by=ANN, name="", now_ns=1),
    "move_queue": lambda: move_queue("acme", "tsk_1", version=5, queue="b", **THERE),
    "lapse": lambda: lapse("acme", "tsk_1", version=6, now_ns=1, approval=an_approval(name="lapse"), ready_ns=1),
    "postpone": lambda: postpone("acme", "int_1", ready_ns=2),
    "resume": lambda: resume("acme", "int_1", version=5, now_ns=1, trace="", approvals=("apr_lapse",)),
    "park again": lambda: park(
        an_intent(version=7)._replace(task_id="tsk_b"),
        task=a_task()._replace(id="tsk_b"),
        payloads=[a_payload("call")],
        announce=True,
        join_since_ns=None,
    ),
    "settle": lambda: settle("acme", "int_1", version=7, state=State.REFUSED, task_state=TaskState.DECIDED, move=a_move(), **END),
    "collected": lambda: collected("acme", "int_1", now_ns=1),
    "park": lambda: park(an_intent("2"), task=a_task("2"), payloads=[a_payload("call", "2")], announce=True, join_since_ns=0),
    "begin": lambda: begin(an_intent("3", State.RUNNING)._replace(idempotency_key="k")),
    "finish": lambda: finish("acme", "int_3", state=State.COMPLETED, keep_key=False, **END),
    "sweep": lambda: sweep_expired(10**9, 100),
}
"""In an order in which each is possible after those before it."""


def test_everything_is_found_by_an_index_however_much_there_is(database: Database) -> None:
    desk = Desk(database)
    desk.park(announce=True)
    intents, tasks = IntentStore(database), TaskStore(database)
    with watched(database) as sent:
        for read in READS.values():
            read(intents, tasks)
        for making in EFFECTS.values():
            desk.move(making())
    desk.close()
    asked = [(statement, parameters) for statement, parameters in sent if statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))]
    assert len(asked) > 60
    for statement, parameters in asked:
        steps = plan(database, statement, parameters)
        bad = [step for step in steps if ("SCAN" in step and not step.startswith(("SCAN CONSTANT", "SCAN (", "SCAN anon"))) or "TEMP B-TREE" in step]
        assert not bad or _sorts_few(statement), (statement, steps)
        assert [step for step in steps if "SEARCH" in step] or not steps, (statement, steps)


def _sorts_few(statement: str) -> bool:
    """The approvals of one intent are sorted: there are as many as people have decided about it."""
    return "FROM approvals" in statement and "ORDER BY approvals.at_ns" in statement


NEEDED = {
    "by_key": "ix_intents_key",
    "same_call": "ix_intents_call",
    "ready": "ix_intents_ready",
    "all queues": "ix_tasks_due",
    "some queues": "ix_tasks_queue",
    "lapsed": "ix_tasks_expiry",
    "announcements": "ix_announcements_due",
}


@pytest.mark.parametrize("name", NEEDED)
def test_each_question_has_its_index(database: Database, name: str) -> None:
    with watched(database) as sent:
        READS[name](IntentStore(database), TaskStore(database))
    plans = [step for statement, parameters in sent if statement.startswith("SELECT") for step in plan(database, statement, parameters)]
    assert plans
    assert all(f"INDEX {NEEDED[name]} " in step or (name.endswith("queues") and "INDEX sqlite_autoindex_tasks_1 " in step) for step in plans), plans
    assert any(NEEDED[name] in step for step in plans)


@pytest.mark.services
def test_the_server_uses_the_indexes_too(ready_postgres: Secret) -> None:
    database = Database(ready_postgres, durability="process")
    with watched(database) as sent:
        for name in NEEDED:
            READS[name](IntentStore(database), TaskStore(database))
    found = set[str]()
    with database.read() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # on an empty table it would read the whole of it
        for other in ("bitmapscan", "sort", "incremental_sort"):  # nor would it care for the order in which an index gives the rows
            connection.exec_driver_sql(f"SET LOCAL enable_{other} = off")
        for statement, parameters in sent:
            if statement.startswith("SELECT") and "pg_catalog" not in statement:
                steps = [str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
                found.update(index for step, index in itertools.product(steps, NEEDED.values()) if index in step)
    assert found == set(NEEDED.values())


def test_a_row_that_is_locked_elsewhere_is_waited_for_a_little(address: Path | Secret) -> None:
    database = Database(address, durability="process")
    database.prepare()
    desk = Desk(database)
    desk.stand(an_intent())
    desk.close()
    with database.write() as connection, pytest.raises(StaleError) as missing:
        locked_intent(connection, "acme", "int_none")
    assert missing.value.state is None
    with database.bare() as holder:
        holder.exec_driver_sql("BEGIN")
        assert locked_intent(holder, "acme", "int_1") == an_intent()
        if database.shared:
            with database.bare() as other:
                other.exec_driver_sql("BEGIN")
                with pytest.raises(BusyError) as busy:
                    locked_intent(other, "acme", "int_1")
                assert busy.value.state == "parked"
                other.exec_driver_sql("ROLLBACK")
        holder.exec_driver_sql("ROLLBACK")


def test_a_row_that_has_changed_meanwhile_is_not_written_over(address: Path | Secret) -> None:
    database = Database(address, durability="process")
    database.prepare()
    desk = Desk(database)
    desk.stand(an_intent(version=3))
    desk.close()
    with database.write() as connection, pytest.raises(StaleError, match="not what it was"):
        change_intent(connection, an_intent(version=2), an_intent(version=3)._replace(state="running"))
    assert IntentStore(database).get("acme", "int_1") == an_intent(version=3)
