"""Rows of intents that wait, of their tasks and approvals, and a desk that moves them as the record writer does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from gateway.capabilities.intents import park
from gateway.domain import State
from gateway.domain_tasks import TaskState
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_intents import IntentRow, PayloadRow, insert_intent
from gateway.infrastructure.database_ledger import Attempted, Effect, LedgerWriter
from gateway.infrastructure.database_tasks import ApprovalRow, TaskMove, TaskRow, insert_task

T = TypeVar("T")
ANN, BOB = "key_ann", "key_bob"


def an_intent(name: str = "1", state: State = State.PARKED, tenant: str = "acme", version: int = 1) -> IntentRow:
    return IntentRow(
        tenant=tenant,
        id=f"int_{name}",
        subject="key_agent",
        state=state.value,
        version=version,
        surface="chat",
        route="assistant",
        stream=False,
        call_sha256=f"call {name}",
        idempotency_key=None,
        created_ns=1_000,
        changed_ns=1_000,
        trace="00-1-1-01",
        task_id=f"tsk_{name}",
        ready_ns=None,
        holds=1,
        http_status=None,
        collected_ns=None,
        record_expires_ns=None,
        expires_ns=None,
    )


def a_task(name: str = "1", state: TaskState = TaskState.OPEN, tenant: str = "acme", mode: str = "approve") -> TaskRow:
    return TaskRow(
        tenant=tenant,
        id=f"tsk_{name}",
        intent_id=f"int_{name}",
        queue="approvals",
        mode=mode,
        hook="intent",
        state=state.value,
        version=1,
        route="assistant",
        requester="key_agent",
        requester_name="Agent",
        created_ns=1_000,
        due_ns=2_000,
        expires_ns=9_000,
        on_expiry="refuse",
        min_approvers=2,
        distinct_from='["requester"]',
        claimed_by=ANN if state is TaskState.CLAIMED else None,
        claimed_name="Ann" if state is TaskState.CLAIMED else None,
        claimed_until_ns=5_000 if state is TaskState.CLAIMED else None,
        reasons='[{"rule": "payments.amount", "message": "large"}]',
        signals="{}",
        confidence=0.5,
        policy_revision="rev",
        scope_sha256="scope",
        hold_sha256="hold",
        outcome=None,
        moved=0,
    )


def an_approval(task: str = "1", by: str = ANN, tenant: str = "acme", name: str | None = None, action: str = "accept") -> ApprovalRow:
    return ApprovalRow(
        tenant=tenant,
        id=f"apr_{name or task + by}",
        intent_id=f"int_{task}",
        task_id=f"tsk_{task}",
        hook="intent",
        by=by,
        name=by.removeprefix("key_").title(),
        roles='["reviewer"]',
        teams="[]",
        mode="approve",
        action=action,
        at_ns=3_000,
        scope_sha256="scope",
        hold_sha256="hold",
        policy_revision="rev",
        expires_ns=9_000,
        key_id="k1",
        mac=b"mac",
        used_ns=None,
        revoked_ns=None,
    )


def a_payload(kind: str, intent: str = "1", tenant: str = "acme", sealed: bytes = b"sealed", expires_ns: int | None = None) -> PayloadRow:
    return PayloadRow(tenant, f"int_{intent}", kind, "k1", sealed, expires_ns)


def a_move(move: str = "refuse", by: str = ANN, task: str = "1", tenant: str = "acme") -> TaskMove:
    return TaskMove(tenant, f"tsk_{task}", 0, 4_000, move, by, "Ann", "{}")


class Desk:
    """One process's record writer, as far as effects know it."""

    def __init__(self, database: Database, writer: str = "w1") -> None:
        self.database = database
        self._ledger = LedgerWriter(database, writer)

    def move(self, *effects: Effect[T]) -> T:
        """Run effects in one transaction; what the last gives. What the first that fails raises leaves here, and the transaction is committed without it."""
        done = Attempted[T](None, None)
        with self._ledger.transaction() as ledger:
            for effect in effects:
                done = ledger.attempt(effect)
                if done.error is not None:
                    break
        if done.error is not None:
            raise done.error
        return cast("T", done.result)

    def stand(self, row: IntentRow, task: TaskRow | None = None) -> None:
        """Put rows there as they are, by no move."""
        with self.database.write() as connection:
            insert_intent(connection, row)
            if task is not None:
                insert_task(connection, task)

    def park(self, name: str = "1", tenant: str = "acme", *, since_ns: int | None = None, announce: bool = False) -> None:
        """An intent begins to wait."""
        payloads = [a_payload(kind, name, tenant) for kind in ("call", "draft", "context")]
        self.move(park(an_intent(name, tenant=tenant), task=a_task(name, tenant=tenant), payloads=payloads, announce=announce, join_since_ns=since_ns))

    def close(self) -> None:
        self._ledger.close()


def race(database: Database, attempts: list[Callable[[Desk], T]]) -> list[T | Exception]:
    """What came of attempts that begin at the same moment, each in a process (a writer and a connection) of its own."""
    start = threading.Barrier(len(attempts))

    def run(index: int) -> T | Exception:
        desk = Desk(database, f"w{index}")
        try:
            start.wait()
            return attempts[index](desk)
        except Exception as error:  # noqa: BLE001 - what it was is what the test asks
            return error
        finally:
            desk.close()

    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(run, range(len(attempts))))
