"""What a writer commits at once: entries, and moves between them, each with who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.capabilities.records.chain import Draft
from gateway.capabilities.records.entries import CLOSED
from gateway.capabilities.records.journal import LateError, Move, Place
from gateway.errors import RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.telemetry.logs import get_logger

log = get_logger()


class Pending(NamedTuple):
    """An entry and who waits for it."""

    draft: Draft
    future: asyncio.Future[None]


class Moving(NamedTuple):
    """A move and who waits for its result."""

    move: Move
    future: asyncio.Future[Any]


@dataclass(slots=True)
class Batch:
    """Entries and moves in their order: a move says how many entries come before it. False where it is empty."""

    entries: list[Pending] = field(default_factory=list)
    moves: list[Moving] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.entries or self.moves)

    def __len__(self) -> int:
        """How many entries it has, those of moves too."""
        return len(self.entries) + sum(len(moving.move.drafts) for moving in self.moves) if self.moves else len(self.entries)

    def drafts(self) -> list[Draft]:
        """The entries outside of moves."""
        return [item.draft for item in self.entries]

    def places(self) -> set[Place]:
        """The intents that it tells of."""
        return {_place(item.draft) for item in self.entries}.union(*({_place(item) for item in moving.move.drafts} for moving in self.moves))

    def tell(self, late: frozenset[Place]) -> None:
        """It was committed: tell who waits, but that the ends of those that are ``late`` were left out."""
        for (entry, _), future in self.entries:
            if late and entry.kind == CLOSED and (entry.tenant, entry.intent_id) in late:
                _fail(future, unavailable())
            elif not future.done():
                future.set_result(None)
        for move, future in self.moves:
            if move.error is not None:
                _fail(future, _failure(move.error))
            elif not future.done():
                future.set_result(move.result)

    def fail(self, cause: Exception) -> None:
        """It was not committed, or nobody knows."""
        for _, future in (*self.entries, *self.moves):
            _fail(future, unavailable(cause))

    def part(self, lost: set[Place]) -> tuple[Batch, Batch]:
        """What tells of none of these intents, and what does, each in its order."""
        kept, dropped = Batch(), Batch()
        waiting = self._ordered()
        for item in waiting:
            drafts = item.move.drafts if isinstance(item, Moving) else (item.draft,)
            into = dropped if any(_place(one) in lost for one in drafts) else kept
            if isinstance(item, Moving):
                item.move.at = len(into.entries)
                into.moves.append(item)
            else:
                into.entries.append(item)
        return kept, dropped

    def _ordered(self) -> Iterator[Pending | Moving]:
        begun = 0
        for moving in self.moves:
            at = moving.move.at
            yield from self.entries[begun:at]
            yield moving
            begun = at
        yield from self.entries[begun:]


def unavailable(cause: Exception | None = None) -> RecordUnavailable:
    """What a caller is told where nothing can be recorded."""
    error = RecordUnavailable("the gateway cannot write its records, so it does not answer; try again later")
    error.__cause__ = cause
    return error


def _place(item: Draft) -> Place:
    return item.entry.tenant, item.entry.intent_id


def _failure(error: Exception) -> Exception:
    """What who waits for a move is told, where only this move failed."""
    if not isinstance(error, DatabaseError | LateError):
        return error
    log.warning("records.move_failed", error=str(error))
    return unavailable(error)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # marks it as seen: who does not wait for a lazy entry has not failed to handle it
