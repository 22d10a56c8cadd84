"""Waiting: callers wait for the outcome of an intent that ends in this process, or in any other.

Who waits holds a connection and an entry in a dictionary. What ends here is told at once; for what ends elsewhere one question for all who wait is asked
every ``poll_s`` seconds, and none while nobody does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.capabilities.intents import IntentStore, Loaded, collected
from gateway.capabilities.payloads import ANSWER
from gateway.capabilities.records.writer import RecordWriter
from gateway.domain import MOVES, State
from gateway.errors import GatewayError, NotFound, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_ledger import MoveRefused
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.pipeline.parked import Outcome

Place = tuple[str, str]
"""Tenant and id of an intent."""


class Waiting:
    """Those who wait in this process. Belongs to its event loop."""

    def __init__(self, store: IntentStore, records: RecordWriter, metrics: Metrics, read: Callable[[Loaded], Outcome], *, poll_s: float) -> None:
        """``read`` makes an outcome of what is stored of an intent that has ended."""
        self._store = store
        self._records = records
        self._metrics = metrics
        self._read = read
        self._poll_s = poll_s
        self._ended: dict[Place, list[asyncio.Event]] = {}
        self._poll: asyncio.Task[None] | None = None
        self._closing = False

    async def outcome(self, tenant: str, intent_id: str, timeout_s: float) -> Outcome | None:
        """What came of an intent, within ``timeout_s`` seconds; ``None`` where nothing did yet, or the gateway stops.

        Raises:
            NotFound: There is no such intent any more.
            PayloadUnavailable: Its answer is kept under a key that is not configured.
            RecordUnavailable: The database cannot be read.
        """
        place, ended, until = (tenant, intent_id), asyncio.Event(), time.monotonic() + timeout_s
        self._ended.setdefault(place, []).append(ended)
        self._metrics.callers_waiting(1)
        try:
            while (found := await self._look(place)) is None:
                left = until - time.monotonic()
                if left <= 0 or self._closing:
                    return None
                self._watch()
                try:
                    await asyncio.wait_for(ended.wait(), left)
                except TimeoutError:
                    continue
                ended.clear()
            return found
        finally:
            self._metrics.callers_waiting(-1)
            self._forget(place, ended)

    async def collected(self, tenant: str, intent_id: str) -> None:
        """Note that a caller has its answer: from now on the same call is a new one. That it cannot be noted is no harm."""
        try:
            await self._records.move(collected(tenant, intent_id, now_ns=time.time_ns()))
        except (MoveRefused, GatewayError):
            return

    def notify(self, tenant: str, intent_id: str) -> None:
        """An intent has ended, or may have."""
        for ended in self._ended.get((tenant, intent_id), ()):
            ended.set()

    def close(self) -> None:
        """Send everybody away with what there is."""
        self._closing = True
        for place in list(self._ended):
            self.notify(*place)
        if self._poll is not None:
            self._poll.cancel()

    async def _look(self, place: Place) -> Outcome | None:
        try:
            return await asyncio.to_thread(self._told, *place)
        except DatabaseError as error:
            raise RecordUnavailable("the gateway cannot read what came of the intent; try again later") from error

    def _told(self, tenant: str, intent_id: str) -> Outcome | None:
        """In a thread, where the outcome is decrypted, too. What an intent needs to go on is not read: that can be large, and many can wait for it."""
        loaded = self._store.load(tenant, intent_id, ANSWER)
        if loaded is None:
            raise NotFound("there is no such intent for this key, or it ended longer ago than answers are kept")
        return None if MOVES[State(loaded.row.state)] else self._read(loaded)

    def _watch(self) -> None:
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._polling(), name="waiting callers")

    async def _polling(self) -> None:
        """Ask what has ended elsewhere, as long as anybody waits."""
        while self._ended:
            await asyncio.sleep(self._poll_s)
            try:
                ended = await asyncio.to_thread(self._store.ended, list(self._ended))
            except DatabaseError:
                continue  # those who wait are told when their time is over
            for place in ended:
                self.notify(*place)

    def _forget(self, place: Place, ended: asyncio.Event) -> None:
        waiting = self._ended[place]
        waiting.remove(ended)
        if not waiting:
            del self._ended[place]
