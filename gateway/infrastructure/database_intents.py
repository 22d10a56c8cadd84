"""Queries over intents that wait or came with a key, and over what it takes to go on with them. What they mean is ``capabilities/intents.py``'s."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, Connection, Table, Text, TextClause, and_, any_, bindparam, delete, insert, literal, select, update

from gateway.infrastructure.database_ledger import MoveRefused
from gateway.infrastructure.database_schema import ENDED, JOINABLE, announcements, approvals, intents, payloads, task_moves, tasks

_PATIENCE_S: Final = (0.0, 0.002, 0.004, 0.008, 0.016, 0.032)
"""Waits between tries to lock a row that another process has: as long as some of its commits take, and far less than calls notice. Nobody waits for a row
while it holds others, so that the batches of two processes never wait for each other."""
_SLICE: Final = 500
"""How many intents one query names."""


class IntentRow(NamedTuple):
    """An intent that waits or waited for a person, or came with an idempotency key."""

    tenant: str
    id: str
    subject: str
    state: str
    """``gateway.domain.State``."""
    version: int
    """1 with the first row, one more with every change that a decision about it must not overlook."""
    surface: str
    route: str
    stream: bool
    """Whether the caller wants a stream."""
    call_sha256: str
    """What it is: subject, surface and body."""
    idempotency_key: str | None
    created_ns: int
    changed_ns: int
    trace: str
    """``traceparent`` of its newest segment."""
    task_id: str | None
    """Its newest task."""
    ready_ns: int | None
    """Parked: when it can go on. ``None`` while somebody has to decide."""
    holds: int
    """How often it was parked."""
    http_status: int | None
    """How it ended for the caller."""
    collected_ns: int | None
    """When the caller was told how it ended."""
    record_expires_ns: int | None
    """When the content of its record ends."""
    expires_ns: int | None
    """Ended: when this row and all that hangs on it go. ``None`` before."""


class PayloadRow(NamedTuple):
    """What it takes to go on with an intent, or to tell its outcome again: encrypted."""

    tenant: str
    intent_id: str
    kind: str
    """``call``, ``draft``, ``context`` or ``answer``."""
    key_id: str
    sealed: bytes
    expires_ns: int | None
    """``None``: with its intent."""


class StaleError(MoveRefused):
    """The row is not there, or not in the state and version that the move needs. The message says what it is."""

    def __init__(self, message: str, *, state: str | None = None, claimed_name: str | None = None) -> None:
        """``state`` is what the row is in, ``None`` where there is none; ``claimed_name`` who works on it, where that is in the way."""
        super().__init__(message)
        self.state = state
        self.claimed_name = claimed_name


class BusyError(StaleError):
    """Somebody else changes the row at this very moment. It can be tried again."""


class JoinError(MoveRefused):
    """The same subject's same call waits already."""

    def __init__(self, intent_id: str) -> None:
        super().__init__("the same call of the same subject is under way or has an outcome that nobody has fetched")
        self.intent_id = intent_id


class TakenError(MoveRefused):
    """The subject has used the idempotency key already."""

    def __init__(self, row: IntentRow) -> None:
        """``row`` is the intent that came with it."""
        super().__init__("the idempotency key is taken")
        self.row = row


class IllegalMoveError(ValueError):
    """A move that is not in ``MOVES`` or ``TASK_MOVES``, or rows that do not belong together: a defect of the caller."""


def locked_intent(connection: Connection, tenant: str, intent_id: str) -> IntentRow:
    """An intent that nobody else changes before this transaction has ended.

    Raises:
        StaleError: There is none.
        BusyError: Somebody else has locked it.
    """
    return IntentRow(*locked(connection, intents, tenant, intent_id))


def locked(connection: Connection, table: Table, tenant: str, row_id: str) -> Sequence[Any]:
    """A row by tenant and id, locked as ``locked_intent`` says."""
    mine = select(table).where(table.c.tenant == tenant, table.c.id == row_id)
    state: str | None = None
    for wait_s in _PATIENCE_S:
        time.sleep(wait_s)
        row = connection.execute(mine.with_for_update(skip_locked=True)).first()
        if row is not None:
            return row
        state = connection.execute(mine.with_only_columns(table.c.state)).scalar()
        if state is None:
            raise StaleError(f"there is no {table.name[:-1]} {row_id}")
    raise BusyError(f"{table.name[:-1]} {row_id} is being changed by somebody else at this moment; try again", state=state)


def change(connection: Connection, table: Table, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Write what differs between two forms of a row with a version, if it still has the version that it had before.

    Raises:
        StaleError: It has not.
    """
    values = {name: value for name, value in after.items() if value != before[name]}
    same = and_(table.c.tenant == before["tenant"], table.c.id == before["id"], table.c.version == before["version"])
    if connection.execute(update(table).where(same).values(values)).rowcount != 1:
        raise StaleError(f"{table.name[:-1]} {before['id']} is not what it was any more", state=before["state"])


def insert_intent(connection: Connection, row: IntentRow) -> None:
    """Add an intent."""
    connection.execute(insert(intents), row._asdict())


def change_intent(connection: Connection, old: IntentRow, new: IntentRow) -> None:
    """Write what differs, as ``change`` does."""
    change(connection, intents, old._asdict(), new._asdict())


def intent_of(connection: Connection, tenant: str, intent_id: str) -> IntentRow | None:
    """A tenant's intent."""
    return _one(connection, intents.c.tenant == tenant, intents.c.id == intent_id)


def intent_by_key(connection: Connection, tenant: str, subject: str, key: str) -> IntentRow | None:
    """The intent that a subject's idempotency key belongs to."""
    return _one(connection, intents.c.tenant == tenant, intents.c.subject == subject, intents.c.idempotency_key == key)


def joinable_intent(connection: Connection, tenant: str, subject: str, call_sha256: str, since_ns: int) -> IntentRow | None:
    """The newest intent without a key that is this call, was created since, and whose outcome nobody has fetched. None that was cancelled."""
    of = intents.c
    same = and_(of.tenant == tenant, of.subject == subject, of.call_sha256 == call_sha256, of.created_ns >= since_ns, of.state != "cancelled", JOINABLE)
    row = connection.execute(select(intents).where(same).order_by(of.created_ns.desc()).limit(1)).first()
    return None if row is None else IntentRow(*row)


def ready_intents(connection: Connection, now_ns: int, limit: int, without: Collection[str] = ()) -> list[tuple[str, str]]:
    """Tenant and id of intents that can go on, those first that could first; of no tenant in ``without``."""
    query = select(intents.c.tenant, intents.c.id).where(intents.c.ready_ns <= now_ns, intents.c.state == "parked")
    if without:
        query = query.where(intents.c.tenant.not_in(sorted(without)))
    return [(str(tenant), str(found)) for tenant, found in connection.execute(query.order_by(intents.c.ready_ns).limit(limit))]


def under_way(connection: Connection, places: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of intents (tenant, id) that have not ended."""
    found = set[tuple[str, str]]()
    for tenant, ids in _sliced(places):
        mine = select(intents.c.id).where(intents.c.tenant == tenant, _among(connection, ids), intents.c.state.in_(("parked", "running")))
        found.update((tenant, str(each)) for each in connection.execute(mine).scalars())
    return found


def payloads_of(connection: Connection, tenant: str, intent_id: str) -> Mapping[str, PayloadRow]:
    """What is kept of an intent, by kind."""
    rows = connection.execute(select(payloads).where(payloads.c.tenant == tenant, payloads.c.intent_id == intent_id))
    return {row.kind: PayloadRow(*row) for row in rows}


def payload_of(connection: Connection, tenant: str, intent_id: str, kind: str) -> PayloadRow | None:
    """One kind of what is kept of an intent."""
    row = connection.execute(select(payloads).where(payloads.c.tenant == tenant, payloads.c.intent_id == intent_id, payloads.c.kind == kind)).first()
    return None if row is None else PayloadRow(*row)


def put_payloads(connection: Connection, rows: Sequence[PayloadRow]) -> None:
    """Keep these, each in the place of one of its kind."""
    for row in rows:
        drop_payloads(connection, row.tenant, row.intent_id, (row.kind,))
    if rows:
        connection.execute(insert(payloads), [row._asdict() for row in rows])


def drop_payloads(connection: Connection, tenant: str, intent_id: str, kinds: Collection[str]) -> None:
    """Keep these kinds of an intent no longer."""
    connection.execute(delete(payloads).where(payloads.c.tenant == tenant, payloads.c.intent_id == intent_id, payloads.c.kind.in_(kinds)))


def date_abandoned(connection: Connection, expires_ns: int, kinds: Collection[str], limit: int) -> int:
    """Give intents that ended without anybody's doing, as their process died, an expiry, and drop these kinds of payload of theirs."""
    found = _locked_places(connection, ENDED, intents.c.expires_ns.is_(None), limit=limit)
    for tenant, ids in _sliced(found):
        connection.execute(update(intents).where(intents.c.tenant == tenant, intents.c.id.in_(ids)).values(expires_ns=expires_ns))
        connection.execute(delete(payloads).where(payloads.c.tenant == tenant, payloads.c.intent_id.in_(ids), payloads.c.kind.in_(kinds)))
    return len(found)


def delete_expired(connection: Connection, now_ns: int, limit: int) -> int:
    """Delete intents that have ended and expired, with all that hangs on them. How many."""
    found = _locked_places(connection, ENDED, intents.c.expires_ns <= now_ns, limit=limit)
    for tenant, ids in _sliced(found):
        theirs = select(tasks.c.id).where(tasks.c.tenant == tenant, tasks.c.intent_id.in_(ids))
        for table in (task_moves, announcements):
            connection.execute(delete(table).where(table.c.tenant == tenant, table.c.task_id.in_(theirs)))
        for table in (tasks, approvals, payloads):
            connection.execute(delete(table).where(table.c.tenant == tenant, table.c.intent_id.in_(ids)))
        connection.execute(delete(intents).where(intents.c.tenant == tenant, intents.c.id.in_(ids)))
    return len(found)


def delete_expired_payloads(connection: Connection, now_ns: int, limit: int) -> int:
    """Delete payloads that have expired before their intent. How many."""
    place = (payloads.c.tenant, payloads.c.intent_id, payloads.c.kind)
    query = select(*place).where(payloads.c.expires_ns <= now_ns).order_by(payloads.c.expires_ns).limit(limit)
    found = [{"t": row[0], "i": row[1], "k": row[2]} for row in connection.execute(query.with_for_update(skip_locked=True))]
    if found:
        mine = and_(*(column == bindparam(name) for column, name in zip(place, "tik", strict=True)))
        connection.execute(delete(payloads).where(mine), found)
    return len(found)


def _locked_places(connection: Connection, *conditions: ColumnElement[bool] | TextClause, limit: int) -> list[tuple[str, str]]:
    """Intents to be swept, in the order of their expiry. Those that somebody else has locked have to wait for the next time."""
    query = select(intents.c.tenant, intents.c.id).where(*conditions).order_by(intents.c.expires_ns).limit(limit)
    return [(str(tenant), str(found)) for tenant, found in connection.execute(query.with_for_update(skip_locked=True))]


def _one(connection: Connection, *conditions: ColumnElement[bool]) -> IntentRow | None:
    row = connection.execute(select(intents).where(*conditions)).first()
    return None if row is None else IntentRow(*row)


def _among(connection: Connection, ids: list[str]) -> ColumnElement[bool]:
    """One of these ids. To PostgreSQL they go as one value: psycopg reads a statement anew that has a parameter for each."""
    return intents.c.id == any_(literal(ids, ARRAY(Text))) if connection.dialect.name == "postgresql" else intents.c.id.in_(ids)


def _sliced(places: Collection[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """The ids of each tenant, not too many at once."""
    ids = dict[str, list[str]]()
    for tenant, found in places:
        ids.setdefault(tenant, []).append(found)
    for tenant, of_tenant in ids.items():
        for start in range(0, len(of_tenant), _SLICE):
            yield tenant, of_tenant[start : start + _SLICE]
