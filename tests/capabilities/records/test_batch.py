from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.records.batch import Batch, Moving, Pending
from gateway.capabilities.records.chain import Draft, draft
from gateway.capabilities.records.journal import LateError, Move
from gateway.errors import RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_ledger import MoveRefused
from tests.capabilities.records.conftest import Shelf

NAMES = st.sampled_from("abc")


def filled(items: list[str | list[str]], loop: asyncio.AbstractEventLoop) -> Batch:
    """A batch: an intent's name is an entry of its, a list of names a move."""
    batch = Batch()
    for item in items:
        if isinstance(item, str):
            batch.entries.append(Pending(draft(Shelf.opened(item)), loop.create_future()))
        else:
            move = Move(effect=lambda _: None, drafts=tuple(draft(Shelf.opened(name)) for name in item), at=len(batch.entries))
            batch.moves.append(Moving(move, loop.create_future()))
    return batch


def told(batch: Batch) -> list[str | list[str]]:
    """What ``filled`` was given."""
    items: list[str | list[str]] = [name(item.draft) for item in batch.entries]
    for moving in reversed(batch.moves):
        items.insert(moving.move.at, [name(item) for item in moving.move.drafts])
    return items


def name(item: Draft) -> str:
    return item.entry.intent_id


@given(st.lists(NAMES | st.lists(NAMES, max_size=3), max_size=12), st.sets(NAMES))
def test_what_tells_of_lost_intents_is_parted_from_the_rest_and_all_keep_their_order(items: list[str | list[str]], lost: set[str]) -> None:
    loop = asyncio.new_event_loop()
    kept, dropped = filled(items, loop).part({("acme", intent) for intent in lost})
    loop.close()
    assert told(kept) == [item for item in items if not lost & set(item)]
    assert told(dropped) == [item for item in items if lost & set(item)]
    assert kept.places() | dropped.places() == {("acme", intent) for item in items for intent in item}
    assert (bool(kept), len(dropped)) == (bool(told(kept)), sum(len(item) for item in told(dropped)))


@pytest.mark.parametrize(
    ("error", "expected"),
    [(MoveRefused("no"), MoveRefused), (LookupError("x"), LookupError), (DatabaseError("x"), RecordUnavailable), (LateError("x"), RecordUnavailable)],
)
async def test_who_waits_for_a_move_is_told_what_came_of_it(error: Exception, expected: type[Exception]) -> None:
    batch = filled([["a"], ["b"], "c"], asyncio.get_running_loop())
    batch.moves[0].move.error, batch.moves[1].move.result = error, "done"
    batch.tell(frozenset())
    assert (type(batch.moves[0].future.exception()), batch.moves[1].future.result(), batch.entries[0].future.result()) == (expected, "done", None)


async def test_a_batch_that_failed_fails_all_who_still_wait() -> None:
    batch = filled([["a"], "b", "c"], asyncio.get_running_loop())
    batch.entries[1].future.cancel()
    batch.fail(OSError("gone"))
    assert [type(future.exception()) for _, future in (*batch.moves, batch.entries[0])] == [RecordUnavailable] * 2
    assert batch.entries[1].future.cancelled()
