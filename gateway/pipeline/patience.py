"""Patience: how an intent ends, or that it waits, has to be written, also where another process has locked its row at that very moment.

A batch waits for a locked row only as long as no call notices, as it holds up every other intent of the process. What was refused for that alone is tried
again here, where it holds up nobody: else the intent would stand as running for as long as this process lives, and its answer would be lost.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from gateway.capabilities.intents import BusyError
from gateway.capabilities.records.entries import Entry
from gateway.infrastructure.database_ledger import Effect
from gateway.pipeline.services import Services

T = TypeVar("T")

PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 6.4, 6.4)
"""Between tries. A lock lasts as long as a commit of another process: 25 s are more than a database takes that works at all."""


async def patiently(services: Services, effect: Effect[T], *entries: Entry) -> T:
    """Make a move, as the record writer's ``move``, and wait for whoever changes the row meanwhile.

    Raises:
        MoveRefused: The row is not in the state that the move needs, or is locked for longer than anybody waits.
        RecordUnavailable: The database does not take it.
    """
    for pause_s in PAUSES_S:
        try:
            return await services.records.move(effect, *entries)
        except BusyError:
            await asyncio.sleep(pause_s)
    return await services.records.move(effect, *entries)
