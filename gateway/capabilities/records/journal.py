"""Commits batches of entries: one batch is one transaction, then one signed head per chain it touched. For one thread."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.capabilities.records.chain import NO_LINK, Draft, Link, draft, extend, genesis
from gateway.capabilities.records.entries import CLOSED, OPENED
from gateway.capabilities.records.heads import HeadFiles
from gateway.capabilities.records.recovery import UNWRITTEN, closing_entry
from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_ledger import LedgerTransaction, LedgerWriter, OpenIntent


class JournalError(Exception):
    """Nothing can be recorded now. The message says why, never a value."""


class Journal:
    """The chains of one writing process. A failed batch leaves them as they were; what is in doubt is read again before the next."""

    def __init__(self, database: Database, heads: HeadFiles, writer: str) -> None:
        self.writer = writer
        self._ledger = LedgerWriter(database)
        self._heads = heads
        self._links: dict[str, Link] = {}
        self._unsigned: dict[str, Link] = {}
        self._open: set[tuple[str, str]] = set()
        self._in_doubt = False
        self._lost: set[tuple[str, str]] = set()
        """Intents of failed batches. They have ended for their callers: what of them stands open in the database is closed with the next batch."""

    def commit(self, batch: Sequence[Draft]) -> None:
        """Make a batch durable.

        Raises:
            JournalError: It is not, or not known to be, durable; or the heads of an earlier batch still cannot be written.
        """
        try:
            self.sign()
            self._append(batch)
        except (DatabaseError, OSError, ValueError) as error:
            self._lost.update((entry.tenant, entry.intent_id) for entry, _ in batch)
            self._links.clear()
            self._in_doubt = True
            raise JournalError(str(error)) from error

    def sign(self) -> None:
        """Sign and write the heads of what was committed.

        Raises:
            OSError: They cannot be written: no batch is committed until they can.
        """
        for tenant, link in list(self._unsigned.items()):
            self._heads.begin(tenant)
            self._heads.write(tenant, link)
            del self._unsigned[tenant]

    def recover(self) -> int:
        """Close what dead writers left open; how many intents that were.

        Raises:
            JournalError: The database or the heads cannot be used.
        """
        try:
            with self._ledger.transaction() as ledger:
                left = [intent for intent in ledger.open_intents() if intent.writer != self.writer]
            if left:
                self._append([draft(closing_entry(intent)) for intent in left], recovered=left)
                self.sign()
        except (DatabaseError, OSError, ValueError) as error:
            self._links.clear()
            self._in_doubt = True
            raise JournalError(str(error)) from error
        return len(left)

    def probe(self) -> None:
        """Write what heads are owed, bring them to the disk and see whether the database takes a transaction. An empty one costs no fsync.

        Raises:
            JournalError: Something of it does not work.
        """
        try:
            self.sign()
            self._heads.sync()
            if self._lost:
                self._append([])
                return
            with self._ledger.transaction():
                pass
        except (DatabaseError, OSError, ValueError) as error:
            self._links.clear()
            self._in_doubt = True
            raise JournalError(str(error)) from error

    def close(self) -> None:
        """Close the database connection and the head files."""
        self._ledger.close()
        self._heads.close()

    def _append(self, batch: Sequence[Draft], recovered: Sequence[OpenIntent] = ()) -> None:
        tenants = {item.entry.tenant for item in batch}.union(tenant for tenant, _ in self._lost)
        fresh = tenants - self._links.keys()
        for tenant in fresh:
            self._heads.begin(tenant)
        links = dict(self._links)
        with self._ledger.transaction() as ledger:
            if self._in_doubt:
                self._open = {(intent.tenant, intent.intent_id) for intent in ledger.open_intents() if intent.writer == self.writer}
            unwritten = [draft(closing_entry(OpenIntent(*lost, self.writer), UNWRITTEN)) for lost in sorted(self._lost & self._open)]
            batch = [*unwritten, *batch]
            beginnings = self._resume(ledger, fresh, links) if fresh else []
            ledger.insert(extend([*beginnings, *batch], self.writer, links))
            still_open = self._track(ledger, batch, recovered)
        self._links, self._open, self._in_doubt = links, still_open, False
        self._lost.clear()
        for tenant in tenants:
            self._unsigned[tenant] = links[tenant]

    def _resume(self, ledger: LedgerTransaction, tenants: set[str], links: dict[str, Link]) -> list[Draft]:
        """Find where the chains of tenants stand; those that are new get a beginning."""
        beginnings = []
        for tenant in sorted(tenants):
            head = ledger.head(tenant, self.writer)
            links[tenant] = Link(*head) if head else NO_LINK
            if head is None:
                beginnings.append(genesis(ledger, tenant))
        return beginnings

    def _track(self, ledger: LedgerTransaction, batch: Sequence[Draft], recovered: Sequence[OpenIntent]) -> set[tuple[str, str]]:
        """Keep the helper table of open intents. An intent that opens and closes within one batch never touches it."""
        opened = {(entry.tenant, entry.intent_id) for entry, _ in batch if entry.kind == OPENED}
        closed = {(entry.tenant, entry.intent_id) for entry, _ in batch if entry.kind == CLOSED}
        noted = self._open.union((intent.tenant, intent.intent_id) for intent in recovered)
        settled, started = closed & noted, opened - closed
        ledger.track([OpenIntent(tenant, intent_id, self.writer) for tenant, intent_id in started], list(settled))
        return (self._open - settled) | started
