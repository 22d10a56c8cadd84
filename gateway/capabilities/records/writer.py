"""The serving process's writer: appends from the event loop, commits in groups in a thread of its own.

While one batch commits, the next gathers: one hand-off, one transaction, one fsync and one signed head per batch, however many intents it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from pathlib import Path
from typing import TypeVar

from gateway.capabilities.records.batch import Batch, Moving, Pending, unavailable
from gateway.capabilities.records.chain import draft, new_writer_id
from gateway.capabilities.records.entries import CLOSED, OPENED, RUNS, Entry
from gateway.capabilities.records.heads import HeadFiles
from gateway.capabilities.records.journal import Journal, JournalError, Move, Place
from gateway.capabilities.records.signing import SigningKey
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import Effect
from gateway.infrastructure.telemetry.logs import get_logger
from gateway.infrastructure.telemetry.metrics import Metrics

T = TypeVar("T")

log = get_logger()

LAZY_S = 0.02
"""How long a lazy entry waits for company at most."""
GATHER_S = 0.001
"""How long a commit waits for entries of other intents in flight (engines.md: eight records a commit cost 0.75 of one each)."""
PROBE_S = 0.5
"""How often an idle writer looks whether the database can be written, and brings its heads to the disk."""
SWEEP_S = 3.0
"""How often a process that shares its database looks for intents of processes that died. After a failure of the database it waits as long,
so that those who live have proven it again."""


class RecordWriter:
    """Appends entries. Built anywhere, used from one event loop between ``start`` and ``close``.

    Where the database or the heads' folder fails, every append fails with ``RecordUnavailable`` until a commit works again: it is tried with each batch.
    """

    def __init__(
        self, database: Database, *, heads: Path, key: SigningKey, durability: str = "power", gather_s: float = GATHER_S, metrics: Metrics | None = None
    ) -> None:
        """``heads`` is the folder of signed heads; ``durability`` as the database's: ``power`` syncs the heads too. ``metrics`` learns of commits."""
        self.recovered = 0
        """How many intents of crashed processes were closed as indeterminate: by ``start``, and where the database is shared by each look since."""
        self.failure: str | None = None
        """Why the last commit failed, for readiness and the log; ``None`` while commits work."""
        writer = new_writer_id()
        self._journal = Journal(database, HeadFiles(heads, key, writer, sync=durability == "power"), writer)
        self._sweeps = database.shared
        self._swept = 0.0
        self._gather_s = gather_s
        self._metrics = metrics
        self._pending = Batch()
        self._urgent = False
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._in_flight: set[str] = set()
        """Ids of intents that run: those whose entries a commit may wait for."""
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle = asyncio.Event()

    @property
    def writer(self) -> str:
        """The name of the chains that it appends to."""
        return self._journal.writer

    @property
    def available(self) -> bool:
        """Whether the last commit, or the last probe while nothing was to be committed, worked: what readiness shows."""
        return self.failure is None

    async def start(self) -> None:
        """Close what crashed processes left open, then take entries.

        Raises:
            RecordUnavailable: The database or the heads' folder cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        try:
            self.recovered = await asyncio.to_thread(self._journal.recover)
        except JournalError as error:
            raise unavailable() from error
        self._swept = time.monotonic()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="record-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Commit what is pending and stop. Appends after this fail."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self.urge()
        await self._idle.wait()
        self._cancel_timer()
        self._batches.put(None)
        await asyncio.to_thread(thread.join)

    def append(self, entry: Entry, *, lazy: bool = False) -> asyncio.Future[None]:
        """Put an entry on record. The future is done when it is durable, or fails with ``RecordUnavailable``; entries of one intent stay in order.

        A lazy entry forces no commit: it goes with the next one, or after 20 ms at most.

        Raises:
            TypeError: Facts hold what JSON cannot.
            RecordUnavailable: The writer is not running.
        """
        if self._loop is None or self._thread is None:
            raise unavailable()
        future = self._loop.create_future()
        self._pending.entries.append(Pending(draft(entry), future))
        self._queued()
        if entry.kind == OPENED:
            self._in_flight.add(entry.intent_id)
        elif entry.kind == CLOSED:
            self._in_flight.discard(entry.intent_id)
        if not lazy:
            self._urgent = True
        if not self._busy:
            self._arrange()
        return future

    def move(self, effect: Effect[T], *entries: Entry) -> asyncio.Future[T]:
        """Do something in the transaction of the entries that tell of it. Both are durable when the future has the effect's result, or neither is.

        The effect runs in the writer's thread; moves and appended entries keep their order. Where the effect raises, what it did is undone, its entries are
        left out and the future fails with what it raised: ``MoveRefused`` where the row was in another state. It fails with ``RecordUnavailable`` where
        the database does, or where another process has closed the intent that the entries end.

        Raises:
            TypeError: Facts hold what JSON cannot.
            RecordUnavailable: The writer is not running.
        """
        if self._loop is None or self._thread is None:
            raise unavailable()
        future: asyncio.Future[T] = self._loop.create_future()
        move = Move(effect=effect, drafts=tuple(map(draft, entries)), at=len(self._pending.entries))
        self._pending.moves.append(Moving(move, future))
        self._urgent = True
        if not self._busy:
            self._arrange()
        return future

    def urge(self) -> None:
        """Commit what is pending now, lazy entries too: for who is about to wait for one."""
        if self._pending:
            self._urgent = True
            if not self._busy:
                self._hand_over()

    def _arrange(self) -> None:
        """Decide when the pending batch goes: at once, after a gather window while others are in flight, or after the lazy wait."""
        if self._loop is None:
            return
        if self._urgent and (not self._in_flight or not self._gather_s):
            self._hand_over()
            return
        wait = self._gather_s if self._urgent else LAZY_S
        due = self._loop.time() + wait
        if self._timer is None or self._due > due:
            self._cancel_timer()
            self._timer, self._due = self._loop.call_later(wait, self._hand_over), due

    def _hand_over(self) -> None:
        self._cancel_timer()
        if self._pending and not self._busy:
            batch, self._pending = self._pending, Batch()
            self._urgent, self._busy = False, True
            self._idle.clear()
            self._batches.put(batch)
            self._queued()

    def _queued(self) -> None:
        if self._metrics is not None:
            self._metrics.record_queue(len(self._pending))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _committed(self, batch: Batch, error: JournalError | None, late: frozenset[Place]) -> None:
        self.failure = None if error is None else str(error)
        if error is None:
            for moving in batch.moves:
                self._count(moving.move)
            batch.tell(late)
        else:
            self._in_flight.clear()  # some of these will never close: count afresh, so that later commits do not wait for them
            batch.fail(error)
            # Nobody is told that intents have ended as waiting entries say, whose beginnings were not committed.
            self._pending, dropped = self._pending.part(batch.places())
            dropped.fail(error)
        self._busy = False
        if self._pending:
            self._arrange()
        else:
            self._idle.set()

    def _count(self, move: Move) -> None:
        """Whether a move's intents run now. One whose end was refused has ended all the same."""
        for entry, _ in move.drafts:
            runs = RUNS.get(entry.kind)
            if runs is False:
                self._in_flight.discard(entry.intent_id)
            elif runs and move.error is None:
                self._in_flight.add(entry.intent_id)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: one batch after the other; the heads follow a commit, so that nobody waits for them but the next batch."""
        while (batch := self._next()) is not None:
            error, late = None, frozenset[Place]()
            began = time.monotonic_ns()
            try:
                late = self._journal.commit(batch.drafts(), [moving.move for moving in batch.moves])
            except JournalError as failure:
                error = failure
            except Exception as failure:  # noqa: BLE001 - a defect fails this batch; the thread that all later ones need lives on
                error = JournalError(f"a defect of the record writer: {type(failure).__name__}")
                error.__cause__ = failure
            self._measured(len(batch), time.monotonic_ns() - began, failed=error is not None)
            with contextlib.suppress(RuntimeError):  # the loop was closed without `close`: nobody is left to be told
                loop.call_soon_threadsafe(self._committed, batch, error, late)
            with contextlib.suppress(OSError, ValueError):  # heads that cannot be written now must be before the next commit, which fails if they cannot
                self._journal.sign()
            if self._sweeps:
                self._sweep(failed=error is not None)
        with contextlib.suppress(OSError):
            self._journal.close()

    def _measured(self, entries: int, duration_ns: int, *, failed: bool) -> None:
        if self._metrics is None:
            return
        if failed:
            self._metrics.record_failed()
        else:
            self._metrics.record_committed(entries, duration_ns)

    def _next(self) -> Batch | None:
        """The next batch; while there is none, see now and then whether the database is there, so that readiness tells and recovers without calls."""
        while True:
            try:
                return self._batches.get(timeout=PROBE_S)
            except queue.Empty:
                try:
                    self._journal.probe()
                    self.failure = None
                except JournalError as error:
                    self.failure = str(error)
                if self._sweeps:
                    self._sweep(failed=self.failure is not None)

    def _sweep(self, *, failed: bool) -> None:
        """Close now and then what processes left open that died since the start. What hinders it shows with the next commit or probe."""
        now = time.monotonic()
        if failed or now - self._swept > SWEEP_S:
            self._swept = now
            if failed:
                return
            with contextlib.suppress(JournalError):
                found = self._journal.recover()
                if found:
                    self.recovered += found
                    log.warning("records.recovered", intents=found)
