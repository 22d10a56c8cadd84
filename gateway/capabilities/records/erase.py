"""Erasure: drop content and salt, say so on the record, and leave no freed bytes behind. For commands beside the serving process."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import NamedTuple

from gateway.capabilities.records.chain import NO_LINK, Link, draft, erased_facts, extend, genesis, new_writer_id
from gateway.capabilities.records.entries import ERASED, Entry
from gateway.capabilities.records.heads import HeadFiles
from gateway.capabilities.records.signing import SigningKey
from gateway.errors import NotFound
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import EntryRow, Ledger, LedgerTransaction

_BATCH = 200
"""Entries a transaction: the serving process waits for each, so it is kept to some 20 ms."""


class Erased(NamedTuple):
    """What was done. ``wiped``: the database has let go of it; ``False`` if a reader still sees the state before, then erase again later."""

    intents: int
    entries: int
    wiped: bool


class Eraser:
    """Erases in one tenant's records, and what else is kept of their intents (calls, drafts, answers).

    Each run appends to a chain of its own, whose head it signs.
    """

    def __init__(self, database: Database, *, heads: Path, key: SigningKey, durability: str = "power") -> None:
        """``heads`` is the folder of signed heads, ``key`` signs."""
        self._database = database
        self._ledger = Ledger(database)
        self.writer = new_writer_id()
        self._heads = HeadFiles(heads, key, self.writer, sync=durability == "power")
        self._link = NO_LINK

    def intent(self, tenant: str, intent_id: str) -> Erased:
        """Erase the content of one intent.

        Raises:
            NotFound: The tenant has no such intent.
            DatabaseError: The database cannot be written.
            OSError: The head cannot be written.
        """
        if not intent_id or not self._ledger.of_intent(tenant, intent_id):
            raise NotFound(f"tenant {tenant} has no record {intent_id}")
        return self._erase(tenant, "request", intent_id=intent_id)

    def expired(self, tenant: str, *, now_ns: int | None = None) -> Erased:
        """Erase the content that has expired.

        Raises:
            DatabaseError: The database cannot be written.
            OSError: A head cannot be written.
        """
        return self._erase(tenant, "expired", before_ns=time.time_ns() if now_ns is None else now_ns)

    def _erase(self, tenant: str, why: str, *, intent_id: str | None = None, before_ns: int | None = None) -> Erased:
        intents: set[str] = set()
        count = 0
        try:
            while True:
                with self._ledger.transaction() as ledger:
                    if before_ns is not None:
                        ledger.forget_expired(tenant, before_ns)
                    if intent_id is not None:
                        ledger.forget([(tenant, intent_id)])
                    rows = ledger.erasable(tenant, intent_id=intent_id, before_ns=before_ns, limit=_BATCH)
                    if not rows:
                        break
                    self._heads.begin(tenant)
                    link = self._append(ledger, tenant, why, rows)
                self._link = link
                self._heads.write(tenant, link)
                count += len(rows)
                intents.update(row.intent_id for row in rows)
        finally:
            self._heads.close()
        return Erased(len(intents), count, self._database.wipe_freed())

    def _append(self, ledger: LedgerTransaction, tenant: str, why: str, rows: list[EntryRow]) -> Link:
        ledger.erase(rows)
        ledger.forget([(tenant, intent_id) for intent_id in {row.intent_id for row in rows}])
        drafts = [genesis(ledger, tenant)] if self._link == NO_LINK else []
        for intent_id, of_intent in itertools.groupby(sorted(rows, key=lambda row: row.intent_id), key=lambda row: row.intent_id):
            facts = erased_facts(why, list(of_intent))
            drafts.append(draft(Entry(tenant=tenant, intent_id=intent_id, kind=ERASED, at_ns=time.time_ns(), facts=facts)))
        links = {tenant: self._link}
        ledger.insert(extend(drafts, self.writer, links))
        return links[tenant]
