"""Rows of tasks, approvals and announcements, as they go in and come out, on either database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.infrastructure.database import Database
from gateway.infrastructure.database_intents import BusyError, payload_of, put_payloads
from gateway.infrastructure.database_tasks import (
    AnnouncementRow,
    announce,
    approvals_of_intent,
    due_announcements,
    insert_approval,
    insert_task,
    locked_task,
    moves_of,
    record_move,
    task_of,
    use_approvals,
)
from gateway.settings import Secret
from tests.capabilities.waiting_rows import ANN, a_move, a_payload, a_task, an_approval


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address, durability="process")
    database.prepare()
    return database


TEXT = st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
INTEGER = st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXT, at_ns=INTEGER, blob=st.binary(max_size=50), confidence=st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_rows_come_back_as_they_were(database: Database, name: str, at_ns: int, blob: bytes, confidence: float | None) -> None:
    task = a_task()._replace(requester_name=name, due_ns=at_ns, confidence=confidence, claimed_name=name)
    approval = an_approval()._replace(name=name, at_ns=at_ns, mac=blob, used_ns=at_ns)
    payload = a_payload("call", sealed=blob, expires_ns=at_ns)
    with database.write() as connection:
        for table in ("tasks", "approvals", "payloads", "task_moves"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
        insert_task(connection, task)
        insert_approval(connection, approval)
        put_payloads(connection, [payload._replace(sealed=b"older"), a_payload("draft")])
        put_payloads(connection, [payload])
        record_move(connection, a_move()._replace(name=name))
    with database.read() as connection:
        assert task_of(connection, "acme", "tsk_1") == task
        assert approvals_of_intent(connection, "acme", "int_1") == [approval]
        assert payload_of(connection, "acme", "int_1", "call") == payload
        assert moves_of(connection, "acme", "tsk_1") == [a_move()._replace(name=name, seq=1)]


def test_approvals_are_used_all_or_not(database: Database) -> None:
    cases: list[tuple[list[str], bool]] = [([], True), (["apr_1"], True), (["apr_1"], False), (["apr_2", "apr_2"], True), (["apr_3", "apr_none"], False)]
    for number in "123":
        with database.write() as connection:
            insert_approval(connection, an_approval()._replace(id=f"apr_{number}"))
    for ids, good in cases:
        with database.write() as connection:
            assert use_approvals(connection, "acme", "int_1", ids, 1) is good


def test_a_task_is_announced_in_one_queue(database: Database) -> None:
    with database.write() as connection:
        for queue in ("a", "b"):
            announce(connection, AnnouncementRow("acme", "tsk_1", queue, 1, 0))
    with database.read() as connection:
        assert [due_announcements(connection, queue, 5, 10) for queue in ("a", "b")] == [[], [AnnouncementRow("acme", "tsk_1", "b", 1, 0)]]


@pytest.mark.services
def test_a_task_that_is_locked_elsewhere_is_waited_for_a_little(ready_postgres: Secret) -> None:
    database = Database(ready_postgres, durability="process")
    with database.write() as connection:
        insert_task(connection, a_task())
    with database.bare() as holder, database.bare() as other:
        for connection in (holder, other):
            connection.exec_driver_sql("BEGIN")
        assert locked_task(holder, "acme", "tsk_1") == a_task()
        with pytest.raises(BusyError):
            locked_task(other, "acme", "tsk_1")
        for connection in (holder, other):
            connection.exec_driver_sql("ROLLBACK")


def test_roles_and_teams_are_json_as_they_were_given(database: Database) -> None:
    made: dict[str, Any] = {"roles": '["reviewer","lead"]', "teams": "[]"}
    with database.write() as connection:
        insert_approval(connection, an_approval(by=ANN)._replace(**made))
    with database.read() as connection:
        (found,) = approvals_of_intent(connection, "acme", "int_1")
    assert (found.roles, found.teams) == (made["roles"], made["teams"])
