"""Commits batches of entries: one batch is one transaction, then one signed head per chain it touched. For one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.capabilities.records.chain import NO_LINK, Draft, Link, draft, extend, genesis, new_writer_id
from gateway.capabilities.records.entries import CLOSED, DECIDED, PARKED, RUNS
from gateway.capabilities.records.heads import HeadFiles
from gateway.capabilities.records.recovery import UNWRITTEN, closing_entry
from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_ledger import LedgerTransaction, LedgerWriter, OpenIntent

Place = tuple[str, str]
"""Tenant and id of an intent."""


class JournalError(Exception):
    """Nothing can be recorded now. The message says why, never a value."""


class _Lost(Exception):
    """Entries that were committed are not there any more."""


@dataclass(slots=True, kw_only=True)
class Move:
    """An effect with the entries that belong to it: all of it is done, or nothing. ``commit`` says what came of it."""

    effect: Callable[[LedgerTransaction], Any]
    drafts: tuple[Draft, ...]
    at: int
    """How many drafts of the batch come before it."""
    result: Any = None
    error: Exception | None = None
    """Why nothing of it was done: what the effect raised."""


class LateError(Exception):
    """Another process has ended the intent."""


class _Known(NamedTuple):
    """What the database says of one's own intents after a doubt."""

    open: set[Place]
    taken: set[Place]


class Journal:
    """The chains of one writing process. A failed batch leaves them as they were; what is in doubt is read again before the next."""

    def __init__(self, database: Database, heads: HeadFiles, writer: str) -> None:
        self.writer = writer
        """The name of its chains. It is given up for a new one where the database was set back, so that nothing is written over what was signed."""
        self._database = database
        self._ledger = LedgerWriter(database, writer)
        self._heads = heads
        self._links: dict[str, Link] = {}
        self._settled: dict[str, Link] = {}
        """The newest links that are known to be committed: what is read again has to go on from there."""
        self._unsigned: dict[str, Link] = {}
        self._open: set[Place] = set()
        self._in_doubt = False
        self._lost: set[Place] = set()
        """Intents of failed batches. They have ended for their callers: what of them stands open in the database is closed with the next batch."""
        self._taken: set[Place] = set()
        """Intents that another process closed while this one could not prove that it lives. Their ends come too late."""

    def commit(self, batch: Sequence[Draft], moves: Sequence[Move] = ()) -> frozenset[Place]:
        """Make a batch durable; the intents whose ends it left out, as another process has closed them.

        ``moves`` are in their order; one whose effect fails is left out and has its ``error`` then, the rest of the batch is not touched by that.

        Raises:
            JournalError: It is not, or not known to be, durable; or the heads of an earlier batch still cannot be written.
        """
        late = frozenset[Place]()
        try:
            self.sign()
            late = self._append(batch, moves)
        except (DatabaseError, OSError, ValueError, _Lost) as error:
            self._lost.update(
                (entry.tenant, entry.intent_id) for entry, _ in (*batch, *(item for move in moves for item in move.drafts)) if entry.kind != DECIDED
            )
            raise self._doubtful(error) from error
        return late

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
        """Close what dead writers left open; how many intents that were. Of several processes that do, each intent is closed by one.

        Raises:
            JournalError: The database or the heads cannot be used.
        """
        left: list[OpenIntent] = []
        try:
            self._append((), left=left)
            self.sign()
        except (DatabaseError, OSError, ValueError, _Lost) as error:
            raise self._doubtful(error) from error
        return len(left)

    def probe(self) -> None:
        """Write what heads are owed, bring them to the disk and see whether the database takes a transaction. An empty one costs no fsync.

        Raises:
            JournalError: Something of it does not work.
        """
        try:
            self.sign()
            self._heads.sync()
            if self._lost or self._in_doubt:
                self._append(())
                return
            with self._ledger.transaction() as ledger:
                self._in_doubt = ledger.fresh
        except (DatabaseError, OSError, ValueError, _Lost) as error:
            raise self._doubtful(error) from error

    def close(self) -> None:
        """Close the database connection and the head files."""
        self._ledger.close()
        self._heads.close()

    def _doubtful(self, error: Exception) -> JournalError:
        """Whatever follows reads again where things stand."""
        self._links.clear()
        self._in_doubt = True
        if isinstance(error, _Lost):
            self._begin_anew()
        return JournalError(str(error))

    def _begin_anew(self) -> None:
        """Go on in chains of a new name. The heads of the old ones stay, and say what they had reached."""
        self._ledger.close()
        self.writer = new_writer_id()
        self._ledger = LedgerWriter(self._database, self.writer)
        self._heads = self._heads.successor(self.writer)
        self._taken |= self._open  # whoever recovers next closes them
        for known in (self._settled, self._unsigned, self._open, self._lost):
            known.clear()

    def _append(self, batch: Sequence[Draft], moves: Sequence[Move] = (), *, left: list[OpenIntent] | None = None) -> frozenset[Place]:
        """Append a batch, and what else is due; with ``left`` also the ends of what dead writers left open, which it is filled with."""
        recovering = left is not None
        left = [] if left is None else left
        with self._ledger.transaction() as ledger:
            doubtful = self._in_doubt or ledger.fresh
            links, known = ({}, self._look_again(ledger)) if doubtful else (dict(self._links), _Known(self._open, self._taken))
            if recovering:
                left.extend(ledger.abandoned(self.writer))
            late = _ends((batch, *(move.drafts for move in moves))) & known.taken if known.taken else frozenset[Place]()
            written = _without(_moved(ledger, batch, moves, late) if moves else batch, late)
            endings = self._endings(known.open, left)
            ledger.abandon([(entry.tenant, entry.intent_id) for entry, _ in endings], time.time_ns())
            due = [*endings, *written]
            tenants = {item.entry.tenant for item in due}
            beginnings = self._resume(ledger, tenants - links.keys(), links)
            ledger.insert(extend([*beginnings, *due], self.writer, links))
            still_open = self._track(ledger, due, known.open, left)
        self._links, self._open, self._taken, self._in_doubt = links, still_open, known.taken - late, False
        self._lost.clear()
        for tenant in tenants:
            self._unsigned[tenant] = self._settled[tenant] = links[tenant]
        return late

    def _endings(self, still_open: set[Place], left: Sequence[OpenIntent]) -> list[Draft]:
        """The ends of intents that cannot end otherwise: those of failed batches, and what dead writers left open."""
        lost = [closing_entry(OpenIntent(*place, self.writer), UNWRITTEN) for place in sorted(self._lost & still_open)]
        return [draft(entry) for entry in (*lost, *map(closing_entry, left))]

    def _look_again(self, ledger: LedgerTransaction) -> _Known:
        """What is open now. What was and is not, though nobody here has ended it, somebody else has."""
        still = ledger.open_of(self.writer)
        return _Known(still, self._taken | (self._open - still - self._lost))

    def _resume(self, ledger: LedgerTransaction, tenants: set[str], links: dict[str, Link]) -> list[Draft]:
        """Find where the chains of tenants stand; those that are new get a beginning."""
        beginnings = []
        for tenant in sorted(tenants):
            self._heads.begin(tenant)
            head = ledger.head(tenant, self.writer)
            links[tenant] = Link(*head) if head else NO_LINK
            settled = self._settled.get(tenant, NO_LINK)
            if links[tenant].seq < settled.seq or (links[tenant].seq == settled.seq and links[tenant] != settled):
                raise _Lost(f"{self._database.place}: entry {settled.seq} of chain {self.writer} was committed and is gone: the database was set back")
            if head is None:
                beginnings.append(genesis(ledger, tenant))
        return beginnings

    def _track(self, ledger: LedgerTransaction, batch: Sequence[Draft], known_open: set[Place], recovered: Sequence[OpenIntent]) -> set[Place]:
        """Keep the helper table of open intents. An intent that opens and closes, or parks, within one batch never touches it."""
        runs: dict[Place, bool] = {}
        for entry, _ in batch:
            running = RUNS.get(entry.kind)
            if running is not None:
                runs[entry.tenant, entry.intent_id] = running
        noted = known_open.union((intent.tenant, intent.intent_id) for intent in recovered)
        settled = {place for place, running in runs.items() if not running and place in noted}
        started = {place for place, running in runs.items() if running}
        ledger.track([OpenIntent(tenant, intent_id, self.writer) for tenant, intent_id in started], list(settled))
        return (known_open - settled) | started


def _ends(batches: Iterable[Sequence[Draft]]) -> frozenset[Place]:
    """The intents that batches say a process has done with: to their end, or until a person has decided."""
    return frozenset([(entry.tenant, entry.intent_id) for batch in batches for entry, _ in batch if entry.kind in {CLOSED, PARKED}])


def _moved(ledger: LedgerTransaction, batch: Sequence[Draft], moves: Sequence[Move], late: frozenset[Place]) -> list[Draft]:
    """The batch with the entries of those moves that could be made, each in its place."""
    ledger.prepare_moves()
    woven, begun = list[Draft](), 0
    for move in moves:
        woven += batch[begun : move.at]
        begun = move.at
        if late and _ends([move.drafts]) & late:
            move.error = LateError("another process has closed the intent")
            continue
        move.result, move.error = ledger.attempt(move.effect)
        if move.error is None:
            woven += move.drafts
        elif isinstance(move.error, DatabaseError):
            ledger.prepare_moves(hurry=True)
    return [*woven, *batch[begun:]]


def _without(batch: Sequence[Draft], late: frozenset[Place]) -> Sequence[Draft]:
    """The batch without the entries of intents."""
    return [item for item in batch if (item.entry.tenant, item.entry.intent_id) not in late] if late else batch
