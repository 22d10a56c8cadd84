"""Tasks in the database: lists of them, and every move as an effect.

As in ``capabilities/intents.py``, an effect locks the rows, looks whether the move can be made, and raises ``StaleError`` where it cannot. Whatever decides
something about a task gives its intent a new version too, so that who ends or resumes the intent at the same time has seen it; claims do not.
Of a task and its intent, the intent is locked first.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, NotRequired, TypedDict, Unpack

import orjson

from gateway.capabilities.tasks.claims import free, unheld
from gateway.capabilities.tasks.cursors import cursor_after, place_of
from gateway.domain import Json, State
from gateway.domain_tasks import ACTIONS, EXPIRY, RELEASE, TASK_MOVES, Action, Mode, TaskState
from gateway.infrastructure import database_intents as intent_rows
from gateway.infrastructure import database_tasks as rows
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_intents import IllegalMoveError, IntentRow, PayloadRow, StaleError
from gateway.infrastructure.database_ledger import Effect, LedgerTransaction
from gateway.infrastructure.database_tasks import AnnouncementRow, ApprovalRow, Range, TaskMove, TaskRow

CONTEXT: Final = "context"
"""The kind of payload that shows a person what the task is about."""


class TaskPage(NamedTuple):
    """Some tasks, by when they are due, and where to go on; ``None`` at the end."""

    items: list[TaskRow]
    cursor: str | None


class Decide(TypedDict):
    """What a person decides. ``version`` is the task's. ``revoke`` names approvals that stand no longer.

    ``payloads`` take the place of those of their kind: a draft that a person wrote, and what others see of it. ``complete`` says that nobody else has to
    decide, and then ``ready_ns`` when the intent can go on.
    """

    version: int
    by: str
    name: str
    now_ns: int
    action: Action
    approval: ApprovalRow | None
    revoke: Sequence[str]
    payloads: Sequence[PayloadRow]
    complete: bool
    ready_ns: int | None


class Withdraw(TypedDict):
    """Who takes back which approval of his own. ``version`` is the task's."""

    version: int
    approval_id: str
    by: str
    name: str
    now_ns: int


class MoveQueue(TypedDict):
    """Where a task goes, and the times that hold there. ``version`` is the task's; ``payloads`` take the place of those of their kind."""

    version: int
    queue: str
    due_ns: int
    expires_ns: int
    on_expiry: str
    now_ns: int
    announce: bool
    payloads: NotRequired[Sequence[PayloadRow]]


class TaskStore:
    """What can be asked of tasks. Every method blocks and may raise ``DatabaseError``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, tenant: str, *, states: Collection[TaskState], queues: Collection[str] | None, due_before_ns: int | None, cursor: str | None, limit: int
    ) -> TaskPage:
        """A tenant's tasks in some states, of some queues or all, by when they are due and id. No state or no queue is no task.

        A cursor is a place in the order, whoever it was given to: what follows is this tenant's.

        Raises:
            InvalidRequest: The cursor is none.
        """
        part = Range(due_before_ns, None if cursor is None else place_of(cursor), limit + 1)
        with self._database.read() as connection:
            found = rows.due_tasks(connection, tenant, states, queues, part)
        return TaskPage(found[:limit], cursor_after(found[limit - 1]) if len(found) > limit else None)

    def get(self, tenant: str, task_id: str) -> TaskRow | None:
        """A tenant's task."""
        with self._database.read() as connection:
            return rows.task_of(connection, tenant, task_id)

    def moves(self, tenant: str, task_id: str) -> list[TaskMove]:
        """A task's history, from the beginning."""
        with self._database.read() as connection:
            return rows.moves_of(connection, tenant, task_id)

    def approvals(self, tenant: str, task_id: str) -> list[ApprovalRow]:
        """What was approved in a task, the oldest first, revoked ones too."""
        with self._database.read() as connection:
            return rows.approvals_of_task(connection, tenant, task_id)

    def context(self, tenant: str, intent_id: str) -> PayloadRow | None:
        """What a person may see of an intent that waits, encrypted."""
        with self._database.read() as connection:
            return intent_rows.payload_of(connection, tenant, intent_id, CONTEXT)

    def lapsed(self, now_ns: int, limit: int) -> list[TaskRow]:
        """Tasks of all tenants that nobody decided in time."""
        with self._database.read() as connection:
            return rows.lapsed_tasks(connection, now_ns, limit)

    def announcements(self, queue: str, now_ns: int, limit: int) -> list[AnnouncementRow]:
        """What has to be told now to whoever listens to a queue. Each is asked for by itself: one that nobody can be told of is in no other's way."""
        with self._database.read() as connection:
            return rows.due_announcements(connection, queue, now_ns, limit)


def new_task_id(now_ns: int) -> str:
    """An id that sorts by time and cannot be guessed, as an intent's."""
    return f"tsk_{now_ns // 1_000_000:012x}{secrets.token_hex(8)}"


def new_approval_id(now_ns: int) -> str:
    """The same of an approval."""
    return f"apr_{now_ns // 1_000_000:012x}{secrets.token_hex(8)}"


def claim(tenant: str, task_id: str, *, by: str, name: str, now_ns: int, until_ns: int) -> Effect[TaskRow]:
    """A person works on a task until then, or goes on to. Nobody else may be working on it now."""

    def effect(ledger: LedgerTransaction) -> TaskRow:
        task = unheld(_waiting(rows.locked_task(ledger.connection, tenant, task_id)), by, now_ns)
        claimed = free(task)._replace(state=TaskState.CLAIMED.value, claimed_by=by, claimed_name=name, claimed_until_ns=until_ns)
        return _move(ledger, task, claimed, _history(task, now_ns, "claim", (by, name), {"until_ns": until_ns}))

    return effect


def release(tenant: str, task_id: str, *, by: str, name: str, now_ns: int) -> Effect[TaskRow]:
    """A person works on a task no longer. Only who claimed it can say so."""

    def effect(ledger: LedgerTransaction) -> TaskRow:
        task = _waiting(rows.locked_task(ledger.connection, tenant, task_id))
        if task.claimed_by != by:
            raise StaleError(f"task {task_id} is not claimed by whoever gives it back", state=task.state, claimed_name=task.claimed_name)
        return _move(ledger, task, free(task), _history(task, now_ns, "release", (by, name)))

    return effect


def decide(tenant: str, task_id: str, **decision: Unpack[Decide]) -> Effect[None]:
    """A person decides in favour of an intent. It goes on if the decision is complete; else the task is open for others. Who refuses ends it by ``settle``."""
    approval, payloads, complete = decision["approval"], decision["payloads"], decision["complete"]
    if (approval is not None and (approval.tenant, approval.task_id) != (tenant, task_id)) or complete != (decision["ready_ns"] is not None):
        raise IllegalMoveError("an approval is of the task that is decided, and an intent is ready when its decision is complete")

    def effect(ledger: LedgerTransaction) -> None:
        connection, now_ns = ledger.connection, decision["now_ns"]
        intent, task = _held(ledger, tenant, task_id, decision["version"])
        unheld(task, decision["by"], now_ns)
        if decision["action"] not in ACTIONS[Mode(task.mode)] or any((row.tenant, row.intent_id) != (tenant, intent.id) for row in payloads):
            raise IllegalMoveError(f"{decision['action']} is no decision in mode {task.mode}, or a payload is another intent's")
        rows.revoke_approvals(connection, task, decision["revoke"], now_ns)
        if approval is not None:
            rows.insert_approval(connection, approval)
        intent_rows.put_payloads(connection, payloads)
        facts: Json = {"action": decision["action"].value, "approval": approval and approval.id, "revoked": list(decision["revoke"]), "complete": complete}
        after = free(task)
        if complete:
            after = after._replace(state=TaskState.DECIDED.value, outcome=decision["action"].value)
            rows.unannounce(connection, tenant, task_id)
        _note(ledger, intent, decision["ready_ns"], now_ns)
        _move(ledger, task, after, _history(task, now_ns, "decide", (decision["by"], decision["name"]), facts))

    return effect


def withdraw(tenant: str, task_id: str, **what: Unpack[Withdraw]) -> Effect[None]:
    """A person takes back his approval, as long as the decision is not complete. Who works on the task goes on to."""

    def effect(ledger: LedgerTransaction) -> None:
        intent, task = _held(ledger, tenant, task_id, what["version"])
        if rows.revoke_approvals(ledger.connection, task, (what["approval_id"],), what["now_ns"], what["by"]) != 1:
            raise StaleError(f"task {task_id} has no such approval of this person that stands", state=task.state, claimed_name=task.claimed_name)
        _note(ledger, intent, None, what["now_ns"])
        moved = task._replace(version=task.version + 1)
        _move(ledger, task, moved, _history(task, what["now_ns"], "withdraw", (what["by"], what["name"]), {"approval": what["approval_id"]}))

    return effect


def move_queue(tenant: str, task_id: str, **where: Unpack[MoveQueue]) -> Effect[None]:
    """A task that nobody decided in time goes to another queue, with the times of that one. Who worked on it does so no longer."""

    def effect(ledger: LedgerTransaction) -> None:
        intent, task = _held(ledger, tenant, task_id, where["version"])
        rows.unannounce(ledger.connection, tenant, task_id)
        if where["announce"]:
            rows.announce(ledger.connection, AnnouncementRow(tenant, task_id, where["queue"], where["now_ns"], 0))
        intent_rows.put_payloads(ledger.connection, where.get("payloads", ()))
        _note(ledger, intent, None, where["now_ns"])
        facts: Json = {"from": task.queue, "to": where["queue"]}
        moved = free(task)._replace(queue=where["queue"], moved=task.moved + 1, due_ns=where["due_ns"])
        moved = moved._replace(expires_ns=where["expires_ns"], on_expiry=where["on_expiry"])
        _move(ledger, task, moved, _history(task, where["now_ns"], "move", (EXPIRY, ""), facts))

    return effect


def lapse(tenant: str, task_id: str, *, version: int, now_ns: int, approval: ApprovalRow, ready_ns: int) -> Effect[None]:
    """Nobody decided in time, and the intent goes on without: ``approval`` says that policy wanted it so."""
    if (approval.tenant, approval.task_id) != (tenant, task_id):
        raise IllegalMoveError("an approval is of the task that lapses")

    def effect(ledger: LedgerTransaction) -> None:
        intent, task = _held(ledger, tenant, task_id, version)
        rows.insert_approval(ledger.connection, approval)
        rows.unannounce(ledger.connection, tenant, task_id)
        _note(ledger, intent, ready_ns, now_ns)
        expired = free(task)._replace(state=TaskState.EXPIRED.value, outcome=RELEASE)
        _move(ledger, task, expired, _history(task, now_ns, "expire", (EXPIRY, ""), {"approval": approval.id}))

    return effect


def announced(tenant: str, task_id: str, queue: str) -> Effect[None]:
    """Whoever has to know of a task in a queue has been told."""

    def effect(ledger: LedgerTransaction) -> None:
        rows.unannounce(ledger.connection, tenant, task_id, queue)

    return effect


def announce_later(tenant: str, task_id: str, queue: str, *, attempts: int, due_ns: int, seen_attempts: int) -> Effect[None]:
    """It is told at ``due_ns``, the ``attempts``-th time; for one of the processes that saw ``seen_attempts``, the others get ``StaleError``."""

    def effect(ledger: LedgerTransaction) -> None:
        rows.postpone_announcement(ledger.connection, AnnouncementRow(tenant, task_id, queue, due_ns, attempts), seen_attempts=seen_attempts)

    return effect


def _waiting(task: TaskRow) -> TaskRow:
    if not TASK_MOVES[TaskState(task.state)]:
        raise StaleError(f"task {task.id} is {task.state} already", state=task.state)
    return task


def _held(ledger: LedgerTransaction, tenant: str, task_id: str, version: int) -> tuple[IntentRow, TaskRow]:
    """A task that waits, in this version, and its intent, both locked."""
    seen = rows.task_of(ledger.connection, tenant, task_id)
    if seen is None:
        raise StaleError(f"there is no task {task_id}")
    intent = intent_rows.locked_intent(ledger.connection, tenant, seen.intent_id)
    task = _waiting(rows.locked_task(ledger.connection, tenant, task_id))
    if task.version != version:
        raise StaleError(f"task {task_id} has changed meanwhile: version {task.version}, not {version}", state=task.state, claimed_name=task.claimed_name)
    if intent.state != State.PARKED or intent.task_id != task_id:
        raise StaleError(f"task {task_id} is of an intent that is {intent.state} and waits for it no longer", state=task.state)
    return intent, task


def _note(ledger: LedgerTransaction, intent: IntentRow, ready_ns: int | None, now_ns: int) -> None:
    """The intent changes with its task."""
    intent_rows.change_intent(ledger.connection, intent, intent._replace(version=intent.version + 1, changed_ns=now_ns, ready_ns=ready_ns))


def _move(ledger: LedgerTransaction, before: TaskRow, after: TaskRow, move: TaskMove) -> TaskRow:
    rows.change_task(ledger.connection, before, after)
    rows.record_move(ledger.connection, move)
    return after


def _history(task: TaskRow, at_ns: int, move: str, who: tuple[str, str], facts: Json | None = None) -> TaskMove:
    return TaskMove(task.tenant, task.id, 0, at_ns, move, *who, orjson.dumps(facts or {}).decode())
