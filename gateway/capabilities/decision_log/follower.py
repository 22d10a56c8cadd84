"""Follows the ledger: what policy decided is handed over, batch by batch, at least once and in the order of each chain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from gateway.capabilities.decision_log.delivery import Delivery
from gateway.capabilities.decision_log.events import events_of
from gateway.capabilities.decision_log.masking import Masker
from gateway.capabilities.records.rows import parse_body
from gateway.domain import Json
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_ledger import EntryRow
from gateway.infrastructure.database_log import LogCursor
from gateway.infrastructure.log_client import LogClientError
from gateway.infrastructure.telemetry.logs import RateLimitedLog
from gateway.infrastructure.telemetry.metrics import Metrics

MAX_WAIT_S: Final = 30.0
"""Between two attempts while the receiver fails; the wait doubles up to it."""
failing = RateLimitedLog("decision_log.failing")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerOptions:
    """How the ledger is followed."""

    tenants: Sequence[str]
    batch: int = 500
    """Events at most that are handed over at once, and entries that are read at once."""
    poll_s: float = 1.0
    """Seconds between looks for new entries."""
    max_wait_s: float = MAX_WAIT_S


class Follower:
    """One per process; of several processes on one database, one at a time hands over. It belongs to the event loop's thread and has one of its own."""

    def __init__(self, options: FollowerOptions, cursor: LogCursor, masker: Masker, delivery: Delivery, metrics: Metrics) -> None:
        """Nothing is read yet."""
        self._options = options
        self._cursor = cursor
        self._masker = masker
        self._delivery = delivery
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "decision log")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._follow(), name="decision log")

    async def close(self) -> None:
        """Stop. What was not handed over is, when the gateway runs again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._delivery.close()
        self._masker.close()
        await self._in_thread(self._cursor.close)
        self._thread.shutdown()

    async def step(self) -> bool:
        """Hand over one batch of each chain that has grown; whether anything is left.

        Raises:
            DatabaseError, LogClientError, OSError: It did not work; what was handed over may be handed over again.
        """
        if not await self._in_thread(self._cursor.elect):
            self._metrics.decision_log_behind(0)
            return False
        moved = False
        chains = [chain for tenant in self._options.tenants for chain in await self._in_thread(partial(self._cursor.pending, tenant))]
        behind = sum(chain.tip - chain.position for chain in chains)
        self._metrics.decision_log_behind(behind)
        for chain in chains:
            rows = await self._in_thread(partial(self._cursor.read, chain, self._options.batch))
            if not rows:
                continue
            await self._hand_over(rows)
            await self._in_thread(partial(self._cursor.advance, chain, rows[-1].seq))
            moved = True
            behind -= rows[-1].seq - chain.position
            self._metrics.decision_log_behind(max(0, behind))
        return moved and behind > 0

    async def _hand_over(self, rows: list[EntryRow]) -> None:
        events, unmasked, damaged = await self._in_thread(lambda: self._events(rows))
        self._metrics.decision_log_stripped("mask", unmasked)
        self._metrics.decision_log_stripped("damaged", damaged)
        for at in range(0, len(events), self._options.batch):
            part = events[at : at + self._options.batch]
            self._metrics.decision_log_stripped("too_large", await self._delivery.deliver(part))
            self._metrics.decision_log_sent(len(part))

    def _events(self, rows: list[EntryRow]) -> tuple[list[Json], int, int]:
        """The events of these entries, masked; how many of them could not be; and how many entries are not what this gateway writes."""
        known = {row.intent_id: row for row in rows if row.kind == "opened"}

        def opened(row: EntryRow) -> Json:
            found = known.get(row.intent_id) or self._cursor.opened(row.tenant, row.intent_id)
            body = None if found is None else parse_body(found.body)
            return {} if body is None else dict(body["facts"])

        events, damaged = list[Json](), 0
        for row in rows:
            try:
                events += events_of(row, opened)
            except (AttributeError, TypeError, ValueError):  # somebody changed it: `gateway records verify` tells, and the others go on
                damaged += 1
        return events, sum(not self._masker.mask(event) for event in events), damaged

    async def _follow(self) -> None:
        """Step after step; whatever one of them ends in, there is another one."""
        wait = self._options.poll_s
        while True:
            step = asyncio.create_task(self.step())
            try:
                await asyncio.wait({step})
            finally:
                if not step.done():
                    step.cancel()
                    await asyncio.wait({step})
            error = step.exception()
            if error is None:
                wait = self._options.poll_s
                await asyncio.sleep(0 if step.result() else wait)
                continue
            self._failed(error)
            await asyncio.sleep(wait)
            wait = min(max(wait, 0.1) * 2, self._options.max_wait_s)

    def _failed(self, error: BaseException) -> None:
        known = {DatabaseError: "database", OSError: "file"}
        reason = error.reason if isinstance(error, LogClientError) else next((name for kind, name in known.items() if isinstance(error, kind)), "defect")
        self._metrics.decision_log_failed(reason)
        failing.warning(f"{reason}: {type(error).__name__}" if reason == "defect" else reason)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
