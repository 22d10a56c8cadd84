"""Records as they stand in the ledger, newest first, in batches that fit into memory whatever the records hold."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from gateway.infrastructure.database_ledger import EntryRow, Ledger

DAY_NS: Final = 86_400_000_000_000
_FIRST_PAGE: Final = 32
_LARGEST_PAGE: Final = 500
_PAGE_BYTES: Final = 8_388_608
"""What a page may hold before the next one asks for fewer records."""
BATCH_RECORDS: Final = 250
BATCH_BYTES: Final = 4_194_304


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time that is looked at, in nanoseconds of Unix time: from ``since_ns`` on, before ``until_ns``. Ids of intents tell their millisecond."""

    since_ns: int
    until_ns: int

    @property
    def days(self) -> float:
        """Its length."""
        return (self.until_ns - self.since_ns) / DAY_NS

    @property
    def first(self) -> str:
        """Below every id of an intent in the window."""
        return _id_at(self.since_ns)

    @property
    def end(self) -> str:
        """Above every id of an intent in the window."""
        return _id_at(self.until_ns)


class Stored(NamedTuple):
    """An entry as it is stored: whoever reads it has to expect anything."""

    body: bytes
    content: bytes | None
    salted: bool
    """Whether its salt is there: without it, content was erased."""


class Raw(NamedTuple):
    """One record, not looked into yet."""

    tenant: str
    intent_id: str
    opened: Stored
    closed: Stored | None
    parked: tuple[Stored, ...] = ()
    """Where it waited for people, in no order."""

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return sum(len(entry.body) + len(entry.content or b"") for entry in (self.opened, self.closed, *self.parked) if entry is not None)


def batches(ledger: Ledger, tenants: Sequence[str], window: Window, limit: int | None) -> Iterator[list[Raw]]:
    """The records of ``tenants`` in the window, newest first, at most ``limit`` of them.

    Raises:
        DatabaseError: The ledger cannot be read.
    """
    merged = heapq.merge(*(_records(ledger, tenant, window) for tenant in tenants), key=lambda raw: raw.intent_id, reverse=True)
    batch: list[Raw] = []
    size = 0
    for raw in islice(merged, limit):
        batch.append(raw)
        size += raw.size
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _records(ledger: Ledger, tenant: str, window: Window) -> Iterator[Raw]:
    """Page by page: no transaction stays open while workers think."""
    before, limit, first = window.end, _FIRST_PAGE, window.first
    while True:
        page = ledger.intents(tenant, before=before, limit=limit, state=None, route=None)
        listed = [(opened, closed) for opened, closed, _ in page if opened.intent_id >= first]
        parked = _parked(ledger, tenant, [opened.intent_id for opened, _ in listed])
        found = [
            Raw(tenant, opened.intent_id, _stored(opened), _stored(closed) if closed else None, tuple(parked.get(opened.intent_id, ())))
            for opened, closed in listed
        ]
        yield from found
        if len(found) < limit:
            return
        before = found[-1].intent_id
        heavy = sum(raw.size for raw in found) > _PAGE_BYTES
        limit = max(1, limit // 4) if heavy else min(limit * 2, _LARGEST_PAGE)


def _parked(ledger: Ledger, tenant: str, ids: Sequence[str]) -> dict[str, list[Stored]]:
    """By intent, where it waited; ``ids`` are newest first."""
    found: dict[str, list[Stored]] = {}
    for row in ledger.parked(tenant, first=ids[-1], last=ids[0]) if ids else ():
        found.setdefault(row.intent_id, []).append(_stored(row))
    return found


def _stored(row: EntryRow) -> Stored:
    return Stored(_bytes(row.body) or b"", _bytes(row.content), row.salt is not None)


def _bytes(value: object) -> bytes | None:
    """What a column of bytes holds, though somebody may have put something else there."""
    if value is None or isinstance(value, bytes):
        return value
    return value.encode("utf-8", "replace") if isinstance(value, str) else bytes(value) if isinstance(value, memoryview) else b"?"


def _id_at(at_ns: int) -> str:
    return f"int_{max(at_ns, 0) // 1_000_000:012x}"
