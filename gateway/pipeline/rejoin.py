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
    """Whose intents this process has parked of late. It only saves work: what another process parked is joined when the same call is held again."""

    def __init__(self, *, join_s: float, entries: int = 10_000) -> None:
        self._join_s = join_s
        self._entries = entries
        self._subjects: OrderedDict[tuple[str, str], float] = OrderedDict()

    def note(self, tenant: str, subject: str) -> None:
        """An intent of this subject was parked."""
        self._subjects[tenant, subject] = time.monotonic() + self._join_s
        self._subjects.move_to_end((tenant, subject))
        if len(self._subjects) > self._entries:
            self._subjects.popitem(last=False)

    def parked(self, tenant: str, subject: str) -> bool:
        """Whether one was within the time in which the same call joins it."""
        if not self._subjects:
            return False
        until = self._subjects.get((tenant, subject))
        if until is not None and until < time.monotonic():
            del self._subjects[tenant, subject]
            return False
        return until is not None


async def rejoin(services: Services, intent: Intent) -> Parked | Refused | None:
    """The parked intent that the same call is already; ``None`` where there is none."""
    tenant, subject, call = intent.subject.tenant, intent.subject.id, intent.call
    if intent.whole or not services.lately.parked(tenant, subject):
        return None
    sha256 = await asyncio.to_thread(call_sha256, subject, call.surface, call.body)
    try:
        row = await asyncio.to_thread(services.intents.same_call, tenant, subject, sha256, time.time_ns() - services.join_ns)
    except DatabaseError:
        return None
    return None if row is None else await joined(services, intent, row.id)
