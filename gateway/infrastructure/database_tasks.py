"""Queries over tasks, their history, approvals and announcements. What they mean is ``capabilities/tasks``'s."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, literal, select, tuple_, update

from gateway.infrastructure.database_intents import StaleError, change, locked
from gateway.infrastructure.database_schema import WAITING, announcements, approvals, task_moves, tasks

_SLICE: Final = 500
"""How many tasks one query names."""


class TaskRow(NamedTuple):
    """What a person is asked to decide about an intent."""

    tenant: str
    id: str
    intent_id: str
    queue: str
    mode: str
    hook: str
    state: str
    """``gateway.domain_tasks.TaskState``."""
    version: int
    """1 with the first row, one more with every move."""
    route: str
    requester: str
    """The subject of the intent."""
    requester_name: str
    created_ns: int
    due_ns: int
    expires_ns: int
    on_expiry: str
    min_approvers: int
    distinct_from: str
    """JSON array of who must not decide it."""
    claimed_by: str | None
    claimed_name: str | None
    claimed_until_ns: int | None
    reasons: str
    """JSON: why policy wants a person."""
    signals: str
    """JSON: what confidence was judged by."""
    confidence: float | None
    policy_revision: str
    scope_sha256: str
    hold_sha256: str
    outcome: str | None
    """How it ended: what was decided, ``release`` where it expired and its intent goes on, or the name of the move that settled its intent."""
    moved: int
    """How often it was moved to another queue."""


class TaskMove(NamedTuple):
    """What happened to a task."""

    tenant: str
    task_id: str
    seq: int
    """1 is the first. Whoever records a move gives it the next number, whatever stands here."""
    at_ns: int
    move: str
    """``open``, ``claim``, ``release``, ``decide``, ``withdraw``, ``move`` (to another queue) or ``expire``; or how its intent was settled."""
    by: str
    """The id of the person's key, or a name of the gateway's own."""
    name: str
    facts: str
    """JSON object."""


class ApprovalRow(NamedTuple):
    """What a person has decided in favour of one exact call."""

    tenant: str
    id: str
    intent_id: str
    task_id: str
    hook: str
    by: str
    name: str
    roles: str
    """JSON array."""
    teams: str
    """JSON array."""
    mode: str
    action: str
    at_ns: int
    scope_sha256: str
    hold_sha256: str
    policy_revision: str
    expires_ns: int
    key_id: str
    mac: bytes
    """Over every other column but the last two."""
    used_ns: int | None
    revoked_ns: int | None


class AnnouncementRow(NamedTuple):
    """That somebody has still to be told of a task."""

    tenant: str
    task_id: str
    queue: str
    due_ns: int
    attempts: int


def locked_task(connection: Connection, tenant: str, task_id: str) -> TaskRow:
    """A task that nobody else changes before this transaction has ended.

    Raises:
        StaleError: There is none.
        BusyError: Somebody else has locked it.
    """
    return TaskRow(*locked(connection, tasks, tenant, task_id))


def insert_task(connection: Connection, row: TaskRow) -> None:
    """Add a task."""
    connection.execute(insert(tasks), row._asdict())


def change_task(connection: Connection, old: TaskRow, new: TaskRow) -> None:
    """Write what differs, as ``database_intents.change`` does."""
    change(connection, tasks, old._asdict(), new._asdict())


def task_of(connection: Connection, tenant: str, task_id: str) -> TaskRow | None:
    """A tenant's task."""
    row = connection.execute(select(tasks).where(tasks.c.tenant == tenant, tasks.c.id == task_id)).first()
    return None if row is None else TaskRow(*row)


class Place(NamedTuple):
    """A place in the list of tasks: what follows comes after it."""

    due_ns: int
    task_id: str


class Range(NamedTuple):
    """A part of a tenant's list of tasks, by when they are due."""

    before_ns: int | None
    after: Place | None
    limit: int


def due_tasks(connection: Connection, tenant: str, states: Collection[str], queues: Collection[str] | None, part: Range) -> list[TaskRow]:
    """Tasks by when they are due and id. Each state of each queue is a stretch of an index, read as far as the limit.

    Where there are several, only the index is read for each, and then the rows that were found in all of them together.
    """
    stretches = _stretches(states, queues)
    within = [tasks.c.tenant == tenant]
    if part.before_ns is not None:
        within.append(tasks.c.due_ns < part.before_ns)
    if part.after is not None:
        within.append(tuple_(tasks.c.due_ns, tasks.c.id) > tuple_(literal(part.after.due_ns), literal(part.after.task_id)))
    order = (tasks.c.due_ns, tasks.c.id)
    if len(stretches) == 1:
        return [TaskRow(*row) for row in connection.execute(select(tasks).where(*within, *stretches[0]).order_by(*order).limit(part.limit))]
    found = list[tuple[int, str]]()
    for stretch in stretches:
        found += [(row[0], row[1]) for row in connection.execute(select(*order).where(*within, *stretch).order_by(*order).limit(part.limit))]
    return _tasks_of(connection, tenant, [task_id for _, task_id in sorted(found)[: part.limit]])


def _stretches(states: Collection[str], queues: Collection[str] | None) -> list[list[ColumnElement[bool]]]:
    of_states = [[tasks.c.state == state] for state in sorted(set(states))]
    if queues is None:
        return of_states
    return [[tasks.c.queue == queue, *stretch] for queue in sorted(set(queues)) for stretch in of_states]


def _tasks_of(connection: Connection, tenant: str, ids: Sequence[str]) -> list[TaskRow]:
    """A tenant's tasks, in the order of their ids here."""
    found = dict[str, TaskRow]()
    for start in range(0, len(ids), _SLICE):
        query = select(tasks).where(tasks.c.tenant == tenant, tasks.c.id.in_(ids[start : start + _SLICE]))
        found |= {row.id: TaskRow(*row) for row in connection.execute(query)}
    return [found[each] for each in ids]


def lapsed_tasks(connection: Connection, now_ns: int, limit: int) -> list[TaskRow]:
    """Tasks that nobody decided in time, those first that ended first."""
    query = select(tasks).where(WAITING, tasks.c.expires_ns <= now_ns).order_by(tasks.c.expires_ns).limit(limit)
    return [TaskRow(*row) for row in connection.execute(query)]


def moves_of(connection: Connection, tenant: str, task_id: str) -> list[TaskMove]:
    """A task's history, from the beginning."""
    query = select(task_moves).where(task_moves.c.tenant == tenant, task_moves.c.task_id == task_id).order_by(task_moves.c.seq)
    return [TaskMove(*row) for row in connection.execute(query)]


def record_move(connection: Connection, move: TaskMove) -> None:
    """Add to the history of a task that is locked."""
    last = select(func.max(task_moves.c.seq)).where(task_moves.c.tenant == move.tenant, task_moves.c.task_id == move.task_id)
    connection.execute(insert(task_moves), move._replace(seq=(connection.execute(last).scalar() or 0) + 1)._asdict())


def approvals_of_intent(connection: Connection, tenant: str, intent_id: str) -> list[ApprovalRow]:
    """All approvals of an intent, the oldest first."""
    return _approvals(connection, approvals.c.tenant == tenant, approvals.c.intent_id == intent_id)


def approvals_of_task(connection: Connection, tenant: str, task_id: str) -> list[ApprovalRow]:
    """The approvals that were given in a task, the oldest first."""
    intent_id = select(tasks.c.intent_id).where(tasks.c.tenant == tenant, tasks.c.id == task_id).scalar_subquery()
    return _approvals(connection, approvals.c.tenant == tenant, approvals.c.intent_id == intent_id, approvals.c.task_id == task_id)


def insert_approval(connection: Connection, row: ApprovalRow) -> None:
    """Add an approval."""
    connection.execute(insert(approvals), row._asdict())


def use_approvals(connection: Connection, tenant: str, intent_id: str, ids: Collection[str], now_ns: int) -> bool:
    """Note that approvals of an intent were used; ``False`` where one of them is not there, used or revoked."""
    if not ids:
        return True
    mine = and_(approvals.c.tenant == tenant, approvals.c.intent_id == intent_id, approvals.c.id.in_(ids))
    standing = and_(approvals.c.used_ns.is_(None), approvals.c.revoked_ns.is_(None))
    return connection.execute(update(approvals).where(mine, standing).values(used_ns=now_ns)).rowcount == len(set(ids))


def revoke_approvals(connection: Connection, task: TaskRow, ids: Collection[str], now_ns: int, by: str | None = None) -> int:
    """Revoke approvals of a task, of one person or of anybody; how many stood, unused, until now."""
    if not ids:
        return 0
    mine = [approvals.c.tenant == task.tenant, approvals.c.intent_id == task.intent_id, approvals.c.task_id == task.id, approvals.c.id.in_(ids)]
    if by is not None:
        mine.append(approvals.c.by == by)
    standing = and_(approvals.c.used_ns.is_(None), approvals.c.revoked_ns.is_(None))
    return connection.execute(update(approvals).where(*mine, standing).values(revoked_ns=now_ns)).rowcount


def announce(connection: Connection, row: AnnouncementRow) -> None:
    """Somebody has to be told of a task, and of it in no other queue any more."""
    unannounce(connection, row.tenant, row.task_id)
    connection.execute(insert(announcements), row._asdict())


def unannounce(connection: Connection, tenant: str, task_id: str, queue: str | None = None) -> None:
    """Nobody has to be told of a task, in one queue or in any."""
    mine = [announcements.c.tenant == tenant, announcements.c.task_id == task_id]
    if queue is not None:
        mine.append(announcements.c.queue == queue)
    connection.execute(delete(announcements).where(*mine))


def due_announcements(connection: Connection, queue: str, now_ns: int, limit: int) -> list[AnnouncementRow]:
    """What has to be told now of a queue, what was due first at the beginning."""
    due = (announcements.c.queue == queue, announcements.c.due_ns <= now_ns)
    query = select(announcements).where(*due).order_by(announcements.c.due_ns).limit(limit)
    return [AnnouncementRow(*row) for row in connection.execute(query)]


def postpone_announcement(connection: Connection, row: AnnouncementRow, *, seen_attempts: int) -> None:
    """Set when it is told next, and how often that was tried, where nobody else has since.

    Raises:
        StaleError: Somebody has, or it was told, or there is nothing to tell any more.
    """
    of = announcements.c
    mine = and_(of.tenant == row.tenant, of.task_id == row.task_id, of.queue == row.queue)
    found = connection.execute(select(of.attempts).where(mine).with_for_update(skip_locked=True)).first()
    if found is None or found.attempts != seen_attempts:
        raise StaleError(f"the announcement of task {row.task_id} is somebody else's by now, or made")
    connection.execute(update(announcements).where(mine).values(due_ns=row.due_ns, attempts=row.attempts))


def _approvals(connection: Connection, *conditions: ColumnElement[bool]) -> list[ApprovalRow]:
    query = select(approvals).where(*conditions).order_by(approvals.c.at_ns, approvals.c.id)
    return [ApprovalRow(*row) for row in connection.execute(query)]
