"""Tasks as reviewers work with them: list, show, claim and release. ``review`` has what they decide.

A reviewer is a key with role ``reviewer``. It sees the tasks of its tenant in the queues of the config, except for queues with teams if it is in none of them.
Everything else does not exist for it; what moves a task looks again within its transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

import orjson

from gateway.capabilities.decision_log.events import timestamp
from gateway.capabilities.payloads import CONTEXT
from gateway.capabilities.tasks import store
from gateway.capabilities.tasks.store import TaskPage
from gateway.domain import Json, Subject
from gateway.domain_tasks import REQUESTER, REVIEWERS, TaskState, is_same_name
from gateway.errors import Conflict, Forbidden, NotFound, PayloadUnavailable, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_intents import BusyError, StaleError
from gateway.infrastructure.database_ledger import LedgerTransaction
from gateway.infrastructure.database_tasks import ApprovalRow, TaskMove, TaskRow
from gateway.infrastructure.telemetry.logs import get_logger
from gateway.pipeline.kept import TERMS
from gateway.pipeline.services import Services

T = TypeVar("T")
log = get_logger()

REVIEWER: Final = "reviewer"
"""The role of keys that decide tasks."""
NOT_DISTINCT: Final = "not_distinct"
"""The ``code`` of the error that keeps a person away."""
WAITING: Final = frozenset({TaskState.OPEN, TaskState.CLAIMED})
"""The states of tasks that somebody can still decide."""
MAX_ID_CHARS: Final = 200
_NO_TASK: Final = "there is no such task for this key; GET /v1/tasks lists those that it can decide"
_ENDED: Final = "what was shown of the intent is kept until the intent has ended"


class Wanted(NamedTuple):
    """Which tasks are listed."""

    states: frozenset[TaskState]
    queues: frozenset[str] | None
    """``None`` for all that the reviewer sees."""
    due_before_ns: int | None
    cursor: str | None
    limit: int


class Shown(NamedTuple):
    """A task with all that its reviewers may know of it."""

    row: TaskRow
    approvals: Sequence[ApprovalRow]
    """Those given in this task, the revoked among them."""
    history: Sequence[TaskMove]
    context: Json | None
    """What policy reveals to people of the request and, where there is one, the draft."""
    context_missing: str | None
    """Why there is no context."""


def queues_of(services: Services, reviewer: Subject) -> frozenset[str]:
    """The queues that a reviewer sees.

    Raises:
        Forbidden: The subject is no reviewer.
    """
    if REVIEWER not in reviewer.roles:
        raise Forbidden(f"tasks are for people who decide: this takes a key with role {REVIEWER}")
    teams = set(reviewer.teams)
    return frozenset(name for name, queue in services.queues.items() if not queue.teams or queue.teams & teams)


async def page(services: Services, reviewer: Subject, wanted: Wanted) -> TaskPage:
    """Tasks by when they are due. A page can have fewer than were asked for and still not be the last: that one has no cursor.

    Raises:
        Forbidden: The subject is no reviewer.
        NotFound: It sees no such queue.
        InvalidRequest: The cursor is none.
        RecordUnavailable: The database cannot be read.
    """
    seen = queues_of(services, reviewer)
    for queue in sorted(wanted.queues or ()):
        if queue not in seen:
            raise NotFound(f"there is no such queue for this key; those that it sees: {', '.join(sorted(seen)) or 'none'}", param="queue")
    now_ns = time.time_ns()
    # A claim whose time is over holds nobody off, whatever the row still says.
    states = wanted.states | {TaskState.CLAIMED} if TaskState.OPEN in wanted.states else wanted.states
    # Who sees every queue reads one stretch of the tenant's list for each state, not one for each queue; tasks of queues that are gone are left out here.
    queues = wanted.queues or (None if seen and seen >= services.queues.keys() else seen)
    found = await _read(
        lambda: services.tasks.page(
            reviewer.tenant,
            states=states,
            queues=queues,
            due_before_ns=wanted.due_before_ns,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
    )
    return TaskPage([row for row in found.items if row.queue in seen and state_of(row, now_ns) in wanted.states], found.cursor)


def state_of(row: TaskRow, now_ns: int) -> TaskState:
    """The state of a task as everybody sees it: one whose claim is over is open."""
    state = TaskState(row.state)
    return TaskState.OPEN if state is TaskState.CLAIMED and (row.claimed_until_ns or 0) <= now_ns else state


async def given(services: Services, rows: Sequence[TaskRow]) -> list[ApprovalRow]:
    """The approvals of those tasks that can have some while they wait.

    Raises:
        RecordUnavailable: The database cannot be read.
    """
    several = [row for row in rows if row.min_approvers > 1 or row.state not in WAITING]
    if not several:
        return []
    return await _read(lambda: [approval for row in several for approval in services.tasks.approvals(row.tenant, row.id)])


async def find(services: Services, reviewer: Subject, task_id: str) -> TaskRow:
    """A task that a reviewer sees.

    Raises:
        Forbidden: The subject is no reviewer.
        NotFound: It sees no such task.
        RecordUnavailable: The database cannot be read.
    """
    seen = queues_of(services, reviewer)
    if len(task_id) > MAX_ID_CHARS or not (task_id.isascii() and task_id.isprintable()):  # no id, and not every database takes such a text
        raise NotFound(_NO_TASK)
    row = await _read(lambda: services.tasks.get(reviewer.tenant, task_id))
    if row is None or row.queue not in seen:
        raise NotFound(_NO_TASK)
    return row


async def show(services: Services, reviewer: Subject, task_id: str) -> Shown:
    """A task with its context and history. What is read after its row can be newer, which the row's version tells whoever decides by it.

    Raises:
        Forbidden: The subject is no reviewer.
        NotFound: It sees no such task.
        RecordUnavailable: The database cannot be read.
    """
    row = await find(services, reviewer, task_id)
    tenant, tasks = reviewer.tenant, services.tasks
    approvals, history = await _read(lambda: (tasks.approvals(tenant, row.id), tasks.moves(tenant, row.id)))
    kept = await _read(lambda: tasks.context(tenant, row.intent_id))
    if kept is None:
        return Shown(row, approvals, history, None, _ENDED)
    try:
        plain = await asyncio.to_thread(services.payload_keys.open, tenant, row.intent_id, CONTEXT, kept.key_id, kept.sealed)
    except PayloadUnavailable as error:
        log.warning("payload.unavailable", task=row.id, intent_id=row.intent_id, tenant=tenant, key_id=kept.key_id)
        return Shown(row, approvals, history, None, error.message)
    context = orjson.loads(plain)
    context.pop(TERMS, None)
    return Shown(row, approvals, history, context, None)


async def claim(services: Services, reviewer: Subject, task_id: str) -> TaskRow:
    """Keep others from deciding, for as long as the queue says; claiming again extends it.

    Raises:
        Forbidden: The subject is no reviewer, or policy keeps it away from this task.
        NotFound: It sees no such task.
        Conflict: Somebody else holds it, or it has ended.
        RecordUnavailable: The database cannot be read or written.
    """
    row = await find(services, reviewer, task_id)
    check_distinct(reviewer, row, await _approvals(services, row))
    now_ns = time.time_ns()
    if row.expires_ns <= now_ns:
        raise conflict(reviewer, row, now_ns)
    until_ns = min(now_ns + int(services.queues[row.queue].claim_s * 1e9), row.expires_ns)
    claimed = await _move(services, reviewer, row, store.claim(reviewer.tenant, row.id, by=reviewer.id, name=reviewer.name, now_ns=now_ns, until_ns=until_ns))
    log.info("task.claimed", task=claimed.id, intent_id=claimed.intent_id, tenant=claimed.tenant, queue=claimed.queue, by=reviewer.id)
    return claimed


async def release(services: Services, reviewer: Subject, task_id: str) -> TaskRow:
    """Let others decide it.

    Raises:
        Forbidden: The subject is no reviewer.
        NotFound: It sees no such task.
        Conflict: It does not hold the task.
        RecordUnavailable: The database cannot be read or written.
    """
    row = await find(services, reviewer, task_id)
    if state_of(row, time.time_ns()) is TaskState.OPEN:
        raise Conflict("nobody holds this task: there is nothing to release")
    released = await _move(services, reviewer, row, store.release(reviewer.tenant, row.id, by=reviewer.id, name=reviewer.name, now_ns=time.time_ns()))
    log.info("task.released", task=released.id, intent_id=released.intent_id, tenant=released.tenant, queue=released.queue, by=reviewer.id)
    return released


def check_distinct(reviewer: Subject, row: TaskRow, approvals: Iterable[ApprovalRow]) -> None:
    """Hold policy's ``distinct_from``. A name stands for a person, whatever key is used. ``approvals`` are all of the task's intent.

    Raises:
        Forbidden: Policy keeps the reviewer away from this task.
    """
    kept_away = orjson.loads(row.distinct_from)
    if REQUESTER in kept_away and is_same(reviewer, row.requester, row.requester_name):
        raise Forbidden("policy wants another person than the one who asked to decide this", code=NOT_DISTINCT)
    if REVIEWERS in kept_away and any(is_same(reviewer, one.by, one.name) for one in approvals if one.task_id != row.id):
        raise Forbidden("policy wants another person than those who decided about this intent before", code=NOT_DISTINCT)


def is_same(reviewer: Subject, key_id: str, name: str) -> bool:
    """Whether a key of this id and name is the reviewer's."""
    return reviewer.id == key_id or is_same_name(reviewer.name, name)


async def _approvals(services: Services, row: TaskRow) -> Sequence[ApprovalRow]:
    """Of the whole intent, where it matters who has decided about it before."""
    if REVIEWERS not in orjson.loads(row.distinct_from):
        return ()
    loaded = await _read(lambda: services.intents.load(row.tenant, row.intent_id))
    return () if loaded is None else loaded.approvals


def conflict(reviewer: Subject, row: TaskRow, now_ns: int) -> Conflict:
    """What stands in the way of a move of a task as it is now: who holds it and until when, or that it has ended."""
    if row.state not in WAITING:
        return Conflict(f"this task is {row.state}: there is nothing left to decide about it; GET /v1/tasks/{row.id} has its history")
    if row.expires_ns <= now_ns:
        return Conflict("the time for this task is over; what happens then is under way")
    if state_of(row, now_ns) is TaskState.CLAIMED and row.claimed_by != reviewer.id:
        until = timestamp(row.claimed_until_ns or 0)
        return Conflict(f"{row.claimed_name or row.claimed_by} works on this task until {until}: ask them to release it, or wait until then")
    return Conflict("this task has changed meanwhile: look at it again with GET /v1/tasks/ID, then try again")


async def _move(services: Services, reviewer: Subject, row: TaskRow, effect: Callable[[LedgerTransaction], TaskRow]) -> TaskRow:
    """Let the writer move a task, unless it has gone out of the reviewer's sight since it was looked at. Who changes it at that very moment is waited for."""
    seen = queues_of(services, reviewer)

    def within_sight(ledger: LedgerTransaction) -> TaskRow:
        moved = effect(ledger)
        if moved.queue not in seen:
            raise StaleError("the task was moved to a queue of other teams")
        return moved

    for last in (False, False, True):
        try:
            return await services.records.move(within_sight)
        except StaleError as error:
            if last or not isinstance(error, BusyError):
                break
    raise conflict(reviewer, await find(services, reviewer, row.id), time.time_ns())


async def _read(query: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(query)
    except DatabaseError as error:
        raise RecordUnavailable("the tasks cannot be read now; try again later") from error
