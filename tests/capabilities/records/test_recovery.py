from __future__ import annotations

from gateway.capabilities.records.recovery import closing_entry
from gateway.infrastructure.database_ledger import OpenIntent


def test_an_intent_of_a_dead_writer_is_closed_as_indeterminate() -> None:
    entry = closing_entry(OpenIntent("acme", "i1", "w1"))
    assert (entry.tenant, entry.intent_id, entry.kind) == ("acme", "i1", "closed")
    assert entry.facts == {"state": "indeterminate", "reason": "gateway.crashed", "opened_by": "w1"}
