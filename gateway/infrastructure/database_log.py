"""How far the decision log has come in each chain of the ledger, and what stands behind that."""

from __future__ import annotations

import contextlib
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, insert, select, update

from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_ledger import EntryRow, LedgerTransaction
from gateway.infrastructure.database_schema import entries, log_positions

_LOCK: Final = "decision log"
_BATCH_BYTES: Final = 8 << 20
"""Of bodies and content that are read at once; one entry at least."""


class Chain(NamedTuple):
    """A chain with entries that were not handed over yet."""

    tenant: str
    writer: str
    position: int
    """The last sequence number that was handed over; -1 where none was."""
    tip: int


class LogCursor:
    """Reads on from where it stopped. Of the processes that serve one database, one at a time is elected to. For one thread.

    Any method may raise ``DatabaseError``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: Connection | None = None
        self._stack = contextlib.ExitStack()

    def elect(self) -> bool:
        """Whether this process is the one that reads on, now and until ``close`` or the loss of its connection."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            if self._held is None:
                self._held = self._stack.enter_context(self._database.bare())
                if not self._holds(self._held):
                    return False
            else:
                with self._database.dialect.wrapped():
                    self._held.exec_driver_sql("SELECT 1")
            undo.pop_all()
        return True

    def _holds(self, connection: Connection) -> bool:
        try:
            with self._database.dialect.wrapped():
                self._database.dialect.hold(connection, _LOCK)
        except DatabaseError:
            return False
        return True

    def pending(self, tenant: str) -> list[Chain]:
        """The tenant's chains that have grown since."""
        with self._database.read() as connection:
            tips = LedgerTransaction(connection, self._database.dialect).tips(tenant)
            query = select(log_positions.c.writer, log_positions.c.seq).where(log_positions.c.tenant == tenant)
            known = {str(writer): int(seq) for writer, seq in connection.execute(query)}
        return [Chain(tenant, writer, known.get(writer, -1), tip) for writer, tip in tips.items() if tip > known.get(writer, -1)]

    def read(self, chain: Chain, limit: int) -> list[EntryRow]:
        """The next entries of a chain, at most ``limit``."""
        mine = and_(entries.c.tenant == chain.tenant, entries.c.writer == chain.writer, entries.c.seq > chain.position)
        found, size = list[EntryRow](), 0
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=20).execute(select(entries).where(mine).order_by(entries.c.seq).limit(limit)):
                found.append(EntryRow(*row))
                size += len(found[-1].body) + len(found[-1].content or b"")
                if size > _BATCH_BYTES:
                    break
        return found

    def opened(self, tenant: str, intent_id: str) -> EntryRow | None:
        """The entry that opened an intent."""
        mine = and_(entries.c.tenant == tenant, entries.c.intent_id == intent_id, entries.c.kind == "opened")
        with self._database.read() as connection:
            row = connection.execute(select(entries).where(mine).limit(1)).first()
        return None if row is None else EntryRow(*row)

    def advance(self, chain: Chain, seq: int) -> None:
        """Everything up to ``seq`` was handed over."""
        mine = and_(log_positions.c.tenant == chain.tenant, log_positions.c.writer == chain.writer)
        with self._database.write() as connection:
            known = connection.execute(select(log_positions.c.seq).where(mine)).scalar()
            if known is None:
                connection.execute(insert(log_positions).values(tenant=chain.tenant, writer=chain.writer, seq=seq))
            elif known < seq:
                connection.execute(update(log_positions).where(mine).values(seq=seq))

    def close(self) -> None:
        """Let another process be elected."""
        self._held = None
        stack, self._stack = self._stack, contextlib.ExitStack()
        with contextlib.suppress(DatabaseError):
            stack.close()
