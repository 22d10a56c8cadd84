"""How an intent waited for people: each time it was parked, who decided what, and how it went on. Facts that are not there are ``None``, never guessed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway.capabilities.records.entries import CLOSED, DECIDED, PARKED, RESUMED
from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.domain import Json

_TERMS: Final = ("task", "queue", "mode", "hook", "due_ns", "expires_ns", "on_expiry", "min_approvers")
_DECIDED: Final = ("by", "name", "roles", "action", "approval", "scope_sha256", "policy_revision", "complete")


def holds(record: Record) -> list[Json]:
    """Each time that the intent waited: ``why``, terms, ``decided`` by whom, ``resumed`` and for how long it ``waited_ms``; ``None`` while it does."""
    return [_hold(record, entry, number) for number, entry in enumerate(record.all(PARKED))]


def _hold(record: Record, parked: RecordedEntry, number: int) -> Json:
    task = parked.facts.get("task")
    resumed = _of_hold(record.all(RESUMED), task, number)
    later = record.all(PARKED)[number + 1 :]
    closed = None if resumed or later else record.first(CLOSED)
    ended = resumed or closed
    return {
        **{name: parked.facts.get(name) for name in _TERMS},
        "why": dicts(parked.facts.get("reasons")),
        "parked_ns": parked.at_ns,
        "trace_id": parked.facts.get("trace_id"),
        "decided": [_decided(entry) for entry in record.all(DECIDED) if entry.facts.get("task") == task],
        "resumed": None if resumed is None else {"at_ns": resumed.at_ns, **{name: resumed.facts.get(name) for name in ("why", "approvals", "trace_id")}},
        "ended": None if closed is None else {"at_ns": closed.at_ns, "state": closed.facts.get("state"), "reason": closed.facts.get("reason")},
        "waited_ms": None if ended is None else round(max(0, ended.at_ns - parked.at_ns) / 1e6, 3),
    }


def _of_hold(entries: Sequence[RecordedEntry], task: Any, number: int) -> RecordedEntry | None:
    """The entry that names the task; of facts that name none, the one at its place."""
    named = next((entry for entry in entries if task is not None and entry.facts.get("task") == task), None)
    return named or (entries[number] if number < len(entries) and entries[number].facts.get("task") is None else None)


def _decided(entry: RecordedEntry) -> Json:
    return {"at_ns": entry.at_ns, **{name: entry.facts.get(name) for name in _DECIDED}}


def new_attempts(record: Record) -> Iterator[tuple[RecordedEntry, list[Json]]]:
    """The entries that tell of attempts, each with those that no earlier one told of: what was tried before a hold is told at its beginning and at the end."""
    seen: set[str] = set()
    for entry in record.entries:
        if entry.kind in {PARKED, CLOSED}:
            fresh = [attempt for attempt in dicts(entry.facts.get("attempts")) if _key(attempt) not in seen]
            yield entry, fresh
            seen.update(map(_key, fresh))


def _key(attempt: Json) -> str:
    """An attempt is known by when it began and where it went; one without a time is like no other."""
    started = attempt.get("started_ns")
    return f"{started} {attempt.get('target')}" if isinstance(started, int) else str(id(attempt))


def dicts(value: Any) -> list[Json]:
    """The objects in a list; one that stands alone counts as a list of one."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]
