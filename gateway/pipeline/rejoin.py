"""Rejoin: a call that says the same as one whose answer waits for a person joins that one, before a model is called for nothing."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from gateway.capabilities.approvals import call_sha256
from gateway.infrastructure.database import DatabaseError
from gateway.pipeline.hold import joined
from gateway.pipeline.intent import Intent, Refused
from gateway.pipeline.parked import Parked
from gateway.pipeline.services import Services


class Lately:
    """Whose intents this process has parked of late, and how long their bodies were in bytes: most other calls of the same subject differ in that already.

    It only saves work: what another process parked, or was written with other spaces, is joined when the same call is held again.
    """

    def __init__(self, *, join_s: float, entries: int = 10_000) -> None:
        self._join_s = join_s
        self._entries = entries
        self._calls: OrderedDict[tuple[str, str, int], float] = OrderedDict()

    def note(self, tenant: str, subject: str, size: int) -> None:
        """An intent of this subject was parked."""
        place = (tenant, subject, size)
        self._calls[place] = time.monotonic() + self._join_s
        self._calls.move_to_end(place)
        if len(self._calls) > self._entries:
            self._calls.popitem(last=False)

    def parked(self, tenant: str, subject: str, size: int) -> bool:
        """Whether one as long as this was within the time in which the same call joins it."""
        if not self._calls:
            return False
        place = (tenant, subject, size)
        until = self._calls.get(place)
        if until is not None and until < time.monotonic():
            del self._calls[place]
            return False
        return until is not None


async def rejoin(services: Services, intent: Intent) -> Parked | Refused | None:
    """The parked intent that the same call is already; ``None`` where there is none."""
    tenant, subject, call = intent.subject.tenant, intent.subject.id, intent.call
    if intent.whole or not services.lately.parked(tenant, subject, call.size):
        return None
    sha256 = await asyncio.to_thread(call_sha256, subject, call.surface, call.body)
    try:
        row = await asyncio.to_thread(services.intents.same_call, tenant, subject, sha256, time.time_ns() - services.join_ns)
    except DatabaseError:
        return None
    return None if row is None else await joined(services, intent, row.id)
