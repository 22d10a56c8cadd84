"""Lately: which calls were parked a short while ago, so that the same call is only looked for where it can be."""

from __future__ import annotations

import time
from collections import OrderedDict


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
