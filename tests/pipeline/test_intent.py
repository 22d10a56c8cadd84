"""What travels along the path."""

from __future__ import annotations

import re

from gateway.pipeline.intent import new_intent_id
from gateway.testing import LocalGateway


def test_ids_sort_by_time_and_cannot_be_guessed() -> None:
    ids = [new_intent_id(at * 1_000_000) for at in (1, 2, 1_795_368_755_000)]
    assert ids == sorted(ids)
    assert len({new_intent_id(5) for _ in range(1000)}) == 1000
    assert all(re.fullmatch(r"int_[0-9a-f]{28}", one) for one in ids)


async def test_each_step_stands_on_record_with_its_duration_in_order(local: LocalGateway) -> None:
    await local.ask("hello")
    steps = next(entry for entry in await local.entries() if entry["kind"] == "closed")["facts"]["steps"]
    names = [name for name, _ in steps]
    assert names == ["identify", "admit", "resolve", "inspect", "decide", "assemble", "open", "attempt", "screen"]
    assert all(duration >= 0 for _, duration in steps)
