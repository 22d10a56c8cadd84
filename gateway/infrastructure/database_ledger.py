"""Queries over the ledger. ``LedgerWriter`` is the hot path of the serving process; ``Ledger`` reads, and erases for commands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import Connection, and_, bindparam, func, select, update

from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_dialect import Dialect
from gateway.infrastructure.database_entries import EntryRow, Listed, OpenIntent, chains_of, genesis_bodies, listed, rows_of
from gateway.infrastructure.database_schema import entries, open_intents

__all__ = ["Effect", "EntryRow", "Ledger", "LedgerTransaction", "LedgerWriter", "Listed", "MoveRefused", "OpenIntent", "Snapshot"]

T = TypeVar("T")


class MoveRefused(Exception):
    """The row is not in the state that the move needs. Nothing of the move was done."""


class Attempted(NamedTuple, Generic[T]):
    """What came of an effect: its result, or what it raised."""

    result: T | None
    error: Exception | None


_INSERT = """INSERT INTO entries (tenant, writer, seq, intent_id, kind, state, route, body, hash, salt, content, expires_ns)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_OPEN = """INSERT INTO open_intents (tenant, intent_id, writer) VALUES (?, ?, ?)
    ON CONFLICT (tenant, intent_id) DO UPDATE SET writer = excluded.writer"""
_DELETE_OPEN = "DELETE FROM open_intents WHERE tenant = ? AND intent_id = ?"
_ABANDON = "UPDATE intents SET state = 'indeterminate', version = version + 1, changed_ns = ? WHERE tenant = ? AND id = ? AND state = 'running'"
_FORGET = "DELETE FROM payloads WHERE tenant = ? AND intent_id = ?"


class LedgerTransaction:
    """What can be done in one transaction that appends to chains."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection = connection
        self.fresh = True
        """Whether this is the first transaction on its connection: nothing proved before it that its writer lived."""
        self._dialect = dialect

    def insert(self, rows: Sequence[EntryRow]) -> None:
        """Append rows, straight through the driver."""
        if rows:
            self._many(_INSERT, rows)

    def track(self, opened: Sequence[OpenIntent], settled: Sequence[tuple[str, str]]) -> None:
        """Note intents (tenant, id) that are open now and such that no longer are."""
        if opened:
            self._many(_INSERT_OPEN, opened)
        if settled:
            self._many(_DELETE_OPEN, settled)

    def abandon(self, places: Sequence[tuple[str, str]], now_ns: int) -> None:
        """Nobody knows what came of these intents (tenant, id): the rows of those that have one, and run by it, say so. Sweeping does the rest."""
        if places:
            self._many(_ABANDON, [(now_ns, *place) for place in places])

    def forget(self, places: Sequence[tuple[str, str]]) -> None:
        """Drop what is kept of intents (tenant, id), so that they can be gone on with and their outcome can be fetched."""
        if places:
            self._many(_FORGET, places)

    def forget_expired(self, tenant: str, before_ns: int) -> None:
        """The same of a tenant, where its own time has come."""
        self._many("DELETE FROM payloads WHERE tenant = ? AND expires_ns <= ?", [(tenant, before_ns)])

    def lock(self, name: str) -> None:
        """Wait until no other transaction holds this name, and hold it to the end of this one: for effects that look before they insert."""
        self._dialect.lock(self.connection, name)

    def prepare_moves(self, *, hurry: bool = False) -> None:
        """To be called before the first effect of a transaction, and with ``hurry`` after one that the database has failed."""
        limit = self._dialect.hurry_moving if hurry else self._dialect.begin_moving
        if limit:
            self.connection.connection.cursor().execute(limit)

    def attempt(self, effect: Effect[T]) -> Attempted[T]:
        """What an effect gives, or what it raised: then all that it did is undone, and the transaction goes on as if it had not been tried.

        What a driver raised comes as ``DatabaseError``. An exception that leaves this is the end of the transaction.
        """
        cursor = self.connection.connection.cursor()  # kept, because SQLAlchemy would open another connection where this one breaks
        cursor.execute("SAVEPOINT move")
        try:
            with self._dialect.wrapped():
                result = effect(self)
        except Exception as error:  # noqa: BLE001 - handed to who made the effect; the entries of others in this transaction are no part of it
            cursor.execute("ROLLBACK TO SAVEPOINT move")
            cursor.execute("RELEASE SAVEPOINT move")
            return Attempted(None, error)
        cursor.execute("RELEASE SAVEPOINT move")
        return Attempted(result, None)

    def _many(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self.connection.connection.cursor().executemany(statement.replace("?", self._dialect.mark), rows)

    def head(self, tenant: str, writer: str) -> tuple[int, bytes] | None:
        """Sequence number and hash of a chain's last entry, ``None`` if it has none."""
        mine = and_(entries.c.tenant == tenant, entries.c.writer == writer)
        row = self.connection.execute(select(entries.c.seq, entries.c.hash).where(mine).order_by(entries.c.seq.desc()).limit(1)).first()
        return None if row is None or not isinstance(row.hash, bytes) else (row.seq, row.hash)

    def tips(self, tenant: str) -> dict[str, int]:
        """The last sequence number of each of a tenant's chains."""
        chain = chains_of(tenant)
        last = select(func.max(entries.c.seq)).where(entries.c.tenant == tenant, entries.c.writer == chain.c.writer).scalar_subquery()
        rows = self.connection.execute(select(chain.c.writer, last).where(chain.c.writer.is_not(None)))
        return {str(row[0]): int(row[1]) for row in rows}

    def genesis_bodies(self, tenant: str) -> list[bytes]:
        """The bodies of the first entries of a tenant's chains."""
        return genesis_bodies(self.connection, tenant)

    def open_intents(self) -> list[OpenIntent]:
        """Every intent that is open, of all tenants."""
        return [OpenIntent(*row) for row in self.connection.execute(select(open_intents))]

    def open_of(self, writer: str) -> set[tuple[str, str]]:
        """Tenant and id of the intents that a writer has open."""
        mine = select(open_intents.c.tenant, open_intents.c.intent_id).where(open_intents.c.writer == writer)
        return {(str(tenant), str(intent_id)) for tenant, intent_id in self.connection.execute(mine)}

    def abandoned(self, writer: str) -> list[OpenIntent]:
        """The open intents of other writers that are dead. Nobody else closes them before this transaction has ended."""
        others = self.connection.execute(select(open_intents.c.writer).where(open_intents.c.writer != writer).distinct()).scalars().all()
        dead = [other for other in others if self._dialect.is_dead(self.connection, other)]
        if not dead:
            return []
        # Asked again, now that nobody else can have them: what another process closed meanwhile is not there any more.
        return [OpenIntent(*row) for row in self.connection.execute(select(open_intents).where(open_intents.c.writer.in_(dead)))]

    def erase(self, rows: Sequence[EntryRow]) -> None:
        """Drop content and salt of these entries."""
        if rows:
            place = and_(entries.c.tenant == bindparam("t"), entries.c.writer == bindparam("w"), entries.c.seq == bindparam("s"))
            each = [{"t": row.tenant, "w": row.writer, "s": row.seq} for row in rows]
            self.connection.execute(update(entries).where(place).values(salt=None, content=None), each)

    def erasable(self, tenant: str, *, intent_id: str | None = None, before_ns: int | None = None, limit: int = 500) -> list[EntryRow]:
        """Entries of a tenant that still have content or salt: of one intent, or those that expired before a time."""
        query = select(entries).where(entries.c.tenant == tenant, entries.c.salt.is_not(None))
        if intent_id is not None:
            query = query.where(entries.c.intent_id == intent_id)
        if before_ns is not None:
            query = query.where(entries.c.expires_ns <= before_ns)
        return rows_of(self.connection, query.limit(limit))


Effect: TypeAlias = Callable[[LedgerTransaction], T]
"""What a move does besides its entries, in the same transaction: compare-and-set first, then the rest. It runs in the writer's thread.

It raises ``MoveRefused``, or a subclass, where the row is not as the move needs it."""


class LedgerWriter:
    """Transactions on one connection that stays open, for one thread. After an error it is opened anew; while it is open, it proves that its writer lives."""

    def __init__(self, database: Database, writer: str) -> None:
        self._database = database
        self._writer = writer
        self._open: LedgerTransaction | None = None
        self._identity: object = None
        self._stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[LedgerTransaction]:
        """A transaction, durable when the block has ended.

        Raises:
            DatabaseError: Nothing was written, or it is not known whether it was: ask for the heads again before going on.
        """
        dialect = self._database.dialect
        with contextlib.ExitStack() as undo, dialect.wrapped():
            undo.callback(self.close)
            ledger = self._connected()
            driver = ledger.connection.connection.dbapi_connection
            driver.execute(dialect.begin_appending)  # type: ignore[union-attr]  # it is an open connection of a driver that has this shortcut
            yield ledger
            driver.execute("COMMIT")  # type: ignore[union-attr]  # it is an open connection of a driver that has this shortcut
            ledger.fresh = False
            undo.pop_all()

    def _connected(self) -> LedgerTransaction:
        """The open connection, unless somebody has put another file in the place of the one it was opened on."""
        identity = self._database.dialect.identity()
        if self._open is None:
            connection = self._stack.enter_context(self._database.bare())
            self._database.dialect.hold(connection, self._writer)
            self._open, self._identity = LedgerTransaction(connection, self._database.dialect), identity
        elif identity != self._identity:
            raise DatabaseError(f"{self._database.place} was replaced by another file")
        return self._open

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back."""
        self._open = None
        stack, self._stack = self._stack, contextlib.ExitStack()
        with contextlib.suppress(DatabaseError):
            stack.close()


class Ledger:
    """What readers and commands ask of the ledger. Every method may raise ``DatabaseError``; each sees one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextlib.contextmanager
    def transaction(self) -> Iterator[LedgerTransaction]:
        """One writing transaction of a command."""
        with self._database.write() as connection:
            yield LedgerTransaction(connection, self._database.dialect)

    @contextlib.contextmanager
    def snapshot(self, tenant: str) -> Iterator[Snapshot]:
        """One tenant's chains as they are now, whatever is appended meanwhile."""
        with self._database.read(patient=True) as connection:
            connection.execute(select(entries.c.seq).limit(1)).first()  # a transaction sees the database as it is at its first read
            yield Snapshot(connection, tenant)

    def of_intent(self, tenant: str, intent_id: str) -> list[EntryRow]:
        """All entries of an intent; none if it is not this tenant's."""
        with self._database.read(patient=True) as connection:
            mine = select(entries).where(entries.c.tenant == tenant, entries.c.intent_id == intent_id)
            return rows_of(connection, mine.order_by(entries.c.writer, entries.c.seq))

    def intents(self, tenant: str, *, before: str | None, limit: int, state: str | None, route: str | None) -> list[Listed]:
        """A tenant's intents, newest id first, below the id ``before``."""
        with self._database.read(patient=True) as connection:
            return listed(connection, tenant, before=before, limit=limit, state=state, route=route)

    def parked(self, tenant: str, *, first: str, last: str) -> list[EntryRow]:
        """The `parked` entries of a tenant's intents whose ids are from ``first`` to ``last``."""
        with self._database.read(patient=True) as connection:
            among = (entries.c.intent_id >= first) & (entries.c.intent_id <= last)
            return rows_of(connection, select(entries).where(entries.c.tenant == tenant, among, entries.c.kind == "parked"))


class Snapshot:
    """One tenant's chains at one moment."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self.tenant = tenant

    def genesis_bodies(self) -> list[bytes]:
        """The bodies of the chains' first entries."""
        return genesis_bodies(self._connection, self.tenant)

    def open_intents(self) -> set[str]:
        """Ids of intents that are noted as open."""
        return set(self._connection.execute(select(open_intents.c.intent_id).where(open_intents.c.tenant == self.tenant)).scalars())

    def rows(self) -> Iterator[EntryRow]:
        """Every entry, chain by chain, in order."""
        query = select(entries).where(entries.c.tenant == self.tenant).order_by(entries.c.writer, entries.c.seq)
        for row in self._connection.execution_options(yield_per=500).execute(query):
            yield EntryRow(*row)
