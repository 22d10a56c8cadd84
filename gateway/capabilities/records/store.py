"""Reading records: lists of intents, and one intent's record as the projection of its entries. Every question names its tenant."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any, NamedTuple

import orjson

from gateway.capabilities.records.entries import CLOSED, OPENED, PARKED, RESUMED
from gateway.capabilities.records.rows import parse_body
from gateway.domain import Json, State
from gateway.errors import NotFound
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import EntryRow, Ledger

MAX_LIMIT = 1_000


class Page(NamedTuple):
    """A part of a list, newest first. ``cursor`` asks for the next part; ``None`` at the end."""

    items: list[Json]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEntry:
    """One entry of an intent, with its content if that was not erased."""

    writer: str
    seq: int
    kind: str
    at_ns: int
    facts: Json
    digests: dict[str, str]
    salt: bytes | None
    content: Any
    """Decoded JSON, or text where it is none; ``None`` where there is none or it was erased."""

    @property
    def erased(self) -> bool:
        """Whether content and salt were dropped."""
        return bool(self.digests) and self.salt is None

    def matches(self, name: str, blob: bytes) -> bool:
        """Whether ``blob`` is what the digest ``name`` was made of; ``False`` once the salt is erased."""
        known = self.digests.get(name)
        return known is not None and self.salt is not None and compare_digest(known, sha256(self.salt + blob).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record of an intent: its entries in the order of time."""

    id: str
    tenant: str
    state: str
    entries: tuple[RecordedEntry, ...]

    def first(self, kind: str) -> RecordedEntry | None:
        """The first entry of a kind."""
        return next((entry for entry in self.entries if entry.kind == kind), None)

    def all(self, kind: str) -> tuple[RecordedEntry, ...]:
        """Every entry of a kind."""
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def as_json(self) -> Json:
        """The record as JSON: what ``gateway records show --json`` prints."""
        entries = [
            {
                "writer": entry.writer,
                "seq": entry.seq,
                "kind": entry.kind,
                "at_ns": entry.at_ns,
                "facts": entry.facts,
                "digests": entry.digests,
                "salt": entry.salt.hex() if entry.salt else None,
                "erased": entry.erased,
                "content": entry.content,
            }
            for entry in self.entries
        ]
        return {"id": self.id, "tenant": self.tenant, "state": self.state, "entries": entries}


class RecordStore:
    """Reads the ledger. Every method may raise ``DatabaseError``."""

    def __init__(self, database: Database) -> None:
        self._ledger = Ledger(database)

    def list(self, tenant: str, *, limit: int = 50, cursor: str | None = None, state: str | None = None, route: str | None = None) -> Page:
        """A tenant's intents, newest first. ``state`` is a final state, ``running`` or ``parked``; ``cursor`` is what the last page gave."""
        limit = max(1, min(limit, MAX_LIMIT))
        found = self._ledger.intents(tenant, before=cursor, limit=limit + 1, state=state, route=route)
        items = [_summary(*each) for each in found[:limit]]
        return Page(items, items[-1]["id"] if len(found) > limit else None)

    def show(self, tenant: str, intent_id: str) -> Record:
        """The record of one intent.

        Raises:
            NotFound: The tenant has no such intent.
        """
        rows = self._ledger.of_intent(tenant, intent_id) if intent_id else []
        if not rows:
            raise NotFound(f"tenant {tenant} has no record {intent_id}")
        entries = tuple(sorted((_entry(row) for row in rows), key=lambda entry: (entry.at_ns, entry.kind != OPENED, entry.writer, entry.seq)))
        closed = next((row for row in rows if row.kind == CLOSED), None)
        held = sum(row.kind == PARKED for row in rows) > sum(row.kind == RESUMED for row in rows)
        return Record(id=intent_id, tenant=tenant, state=_state(closed, parked=held), entries=entries)


def _state(closed: EntryRow | None, *, parked: bool) -> str:
    """Of an intent that was not closed it is told by how often it was parked and resumed: the clocks of those who did it may differ."""
    if closed is not None:
        return closed.state or "unknown"
    return State.PARKED.value if parked else State.RUNNING.value


def _facts(row: EntryRow | None) -> Json:
    body = parse_body(row.body) if row else None
    return body["facts"] if body else {}


def _entry(row: EntryRow) -> RecordedEntry:
    body = parse_body(row.body) or {"at_ns": 0, "digests": {}, "facts": {"damaged": True}}
    return RecordedEntry(
        writer=row.writer,
        seq=row.seq,
        kind=row.kind,
        at_ns=body["at_ns"],
        facts=body["facts"],
        digests=body["digests"],
        salt=row.salt if isinstance(row.salt, bytes) else None,
        content=_decoded(row.content),
    )


def _decoded(content: bytes | None) -> Any:
    if content is None:
        return None
    try:
        return orjson.loads(content)
    except ValueError:
        return bytes(content).decode("utf-8", "replace")


def _summary(opened: EntryRow, closed: EntryRow | None, parked: bool) -> Json:
    """One line of a list. Facts that are not there, or not of the form that is known, are ``None``."""
    begin, end = _facts(opened), _facts(closed)
    body, ending = parse_body(opened.body), parse_body(closed.body) if closed else None
    at_ns = body["at_ns"] if body else 0
    subject = begin.get("subject")
    attempts = end.get("attempts") or []
    return {
        "id": opened.intent_id,
        "at_ns": at_ns,
        "state": _state(closed, parked=parked),
        "route": opened.route,
        "target": begin.get("target"),
        "subject": subject.get("id") if isinstance(subject, dict) else None,
        "stream": begin.get("stream"),
        "reason": end.get("reason"),
        "http_status": end.get("http_status"),
        "duration_ms": round((ending["at_ns"] - at_ns) / 1e6, 3) if ending else None,
        "attempts": len(attempts),
        "cost_microusd": end.get("cost_microusd", _cost(attempts)),
        "trace_id": begin.get("trace_id"),
        "erased": opened.salt is None and bool(body and body["digests"]),
    }


def _cost(attempts: list[Json]) -> int | None:
    costs = [attempt["cost_microusd"] for attempt in attempts if attempt.get("cost_microusd") is not None]
    return sum(costs) if costs else None
