"""Rows of the ledger, and the queries over them that its readers and its writers share."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import CTE, Connection, and_, case, func, select

from gateway.infrastructure.database_schema import entries


class EntryRow(NamedTuple):
    """An entry as it is stored. ``state`` and ``route`` repeat facts of the body, for filters."""

    tenant: str
    writer: str
    seq: int
    intent_id: str
    kind: str
    state: str | None
    route: str | None
    body: bytes
    hash: bytes
    salt: bytes | None
    content: bytes | None
    expires_ns: int | None


class OpenIntent(NamedTuple):
    """An intent whose ``opened`` entry is committed and whose ``closed`` is not."""

    tenant: str
    intent_id: str
    writer: str


class Listed(NamedTuple):
    """An intent in a list."""

    opened: EntryRow
    closed: EntryRow | None
    parked: bool
    """Whether it waits for a person."""


def chains_of(tenant: str) -> CTE:
    """The writers of a tenant's chains, by skipping from one to the next in the index: their number counts, not that of the entries."""
    chain = select(func.min(entries.c.writer).label("writer")).where(entries.c.tenant == tenant).cte("chain", recursive=True)
    following = select(func.min(entries.c.writer)).where(entries.c.tenant == tenant, entries.c.writer > chain.c.writer).scalar_subquery()
    return chain.union_all(select(following).where(chain.c.writer.is_not(None)))


def genesis_bodies(connection: Connection, tenant: str) -> list[bytes]:
    """The bodies of the first entries of a tenant's chains."""
    chain = chains_of(tenant)
    firsts = select(entries.c.body).join(chain, (entries.c.writer == chain.c.writer) & (entries.c.tenant == tenant) & (entries.c.seq == 0))
    return list(connection.execute(firsts).scalars())


def rows_of(connection: Connection, query: object) -> list[EntryRow]:
    """What a query over all columns of `entries` finds."""
    return [EntryRow(*row) for row in connection.execute(query)]  # type: ignore[call-overload]  # any Select over all of `entries`


def listed(connection: Connection, tenant: str, *, before: str | None, limit: int, state: str | None, route: str | None) -> list[Listed]:
    """A tenant's intents, newest id first, below the id ``before``. One waits where it was parked more often than resumed: that needs no clock."""
    opened, closed, held = entries.alias("opened"), entries.alias("closed"), entries.alias("held")
    same = and_(closed.c.tenant == opened.c.tenant, closed.c.intent_id == opened.c.intent_id, closed.c.kind == "closed")
    holds = and_(held.c.tenant == opened.c.tenant, held.c.intent_id == opened.c.intent_id, held.c.kind.in_(("parked", "resumed")))
    balance = select(func.coalesce(func.sum(case((held.c.kind == "parked", 1), else_=-1)), 0)).where(holds).scalar_subquery()
    parked = and_(closed.c.kind.is_(None), balance > 0)
    query = select(opened, closed, parked).select_from(opened.outerjoin(closed, same)).where(opened.c.tenant == tenant, opened.c.kind == "opened")
    if before is not None:
        query = query.where(opened.c.intent_id < before)
    if route is not None:
        query = query.where(opened.c.route == route)
    if state == "parked":
        query = query.where(parked)
    elif state is not None:
        query = query.where(and_(closed.c.kind.is_(None), balance <= 0) if state == "running" else closed.c.state == state)
    width = len(EntryRow._fields)
    found = connection.execute(query.order_by(opened.c.intent_id.desc()).limit(limit))
    return [Listed(EntryRow(*row[:width]), EntryRow(*row[width : 2 * width]) if row[width] is not None else None, bool(row[2 * width])) for row in found]
