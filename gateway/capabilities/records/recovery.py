"""What a crash left open: intents with an ``opened`` entry and no ``closed`` one, whose writer is gone."""

from __future__ import annotations

import time

from gateway.capabilities.records.entries import CLOSED, Entry
from gateway.domain import State
from gateway.infrastructure.database_ledger import OpenIntent

REASON = "gateway.crashed"
UNWRITTEN = "record_unavailable"
"""Of an intent that ended while the database took no records."""


def closing_entry(intent: OpenIntent, reason: str = REASON) -> Entry:
    """The entry that closes an intent of a dead writer, or one whose end could not be written: what its caller has of it is not known."""
    facts = {"state": State.INDETERMINATE.value, "reason": reason, "opened_by": intent.writer}
    return Entry(tenant=intent.tenant, intent_id=intent.intent_id, kind=CLOSED, at_ns=time.time_ns(), facts=facts)
