"""The whole of an intent from its record, as a program or a person wants to see it: what was decided, hidden, tried, mended, paid, and how long it took.

Facts that an older record does not have are ``None`` or empty, never guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from gateway.capabilities.records.decision_inputs import StoredDecision, stored_decisions
from gateway.capabilities.records.entries import CLOSED, OPENED, PARKED
from gateway.capabilities.records.holds import dicts, holds, new_attempts
from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.domain import SECRET, Destination, Json

LINK_PLACE = "{trace_id}"
"""Where the trace's id goes in the template of a link."""


def explanation(record: Record, *, link: str | None = None) -> Json:
    """What ``gateway explain`` and ``GET /v1/records/{id}/explain`` tell of a record; ``link`` is a URL with ``{trace_id}`` in it.

    Of content it has none: findings, decisions and attempts are facts. Times are nanoseconds since the epoch where they end in ``_ns``.
    """
    opened, closed = record.first(OPENED), record.first(CLOSED)
    begin, end = (opened.facts if opened else {}), (closed.facts if closed else {})
    attempts = list(_attempts(attempt for _, told in new_attempts(record) for attempt in told))
    last = closed or next(reversed(record.all(PARKED)), None)
    return {
        "id": record.id,
        "tenant": record.tenant,
        "state": record.state,
        "reason": end.get("reason"),
        "http_status": end.get("http_status"),
        "subject": begin.get("subject"),
        "surface": begin.get("surface"),
        "route": begin.get("route"),
        "stream": begin.get("stream"),
        "stream_mode": begin.get("stream_mode"),
        "versions": begin.get("versions"),
        "trace": _trace(begin.get("trace_id"), link),
        **_times(opened, closed),
        "erased": any(entry.erased for entry in record.entries),
        "findings": {"request": dicts(begin.get("findings")), "answer": dicts(last.facts.get("findings") if last else None)},
        "unscanned": dicts(begin.get("unscanned")),
        "redactions": _redactions(begin, end),
        "holds": holds(record),
        "approvals": dicts(end.get("approvals")),
        "joined": end.get("joined"),
        "decisions": [_decision(decision) for decision in stored_decisions(record)],
        "routing": _routing(begin, end),
        "attempts": attempts,
        "cost_microusd": end.get("cost_microusd", _cost(attempts)),
        "repairs": dicts(end.get("repairs")),
        "schema": end.get("schema"),
        "confidence": dicts(end.get("confidence")),
        "last_resort": bool(end.get("last_resort")),
        "steps": [step for entry in (*record.all(PARKED), *record.all(CLOSED)) for step in _steps(entry.facts.get("steps"))],
    }


def _trace(trace_id: Any, link: str | None) -> Json:
    return {"id": trace_id, "link": link.replace(LINK_PLACE, str(trace_id)) if link and trace_id else None}


def _times(opened: RecordedEntry | None, closed: RecordedEntry | None) -> Json:
    started, ended = (None if entry is None else entry.at_ns for entry in (opened, closed))
    return {"started_ns": started, "ended_ns": ended, "duration_ms": _ms(started, ended)}


def _cost(attempts: Iterable[Json]) -> int | None:
    costs = [attempt["cost_microusd"] for attempt in attempts if isinstance(attempt.get("cost_microusd"), int)]
    return sum(costs) if costs else None


def _decision(decision: StoredDecision) -> Json:
    facts = {name: decision.facts.get(name) for name in ("outcome", "reasons", "obligations", "revision", "memoised", "duration_ns")}
    made = {"engine": decision.facts.get("engine", "embedded"), "redacted": decision.redacted}
    return {"hook": decision.hook, "choice": decision.choice or None, **facts, **made}


def _redactions(begin: Json, end: Json) -> Json:
    """By destination, how often a value of each category was hidden.

    From models and the record it is told by what the intent's verdict reveals, from the caller it was counted.
    """
    decision = begin.get("decision")
    allowed = isinstance(decision, dict) and decision.get("outcome") == "allow"
    reveal = ((decision or {}).get("obligations") or {}).get("reveal") or {}
    hidden = {to: _hidden(dicts(begin.get("findings")), reveal.get(to) or ()) for to in (Destination.MODEL, Destination.RECORD)}
    return {"model": hidden[Destination.MODEL] if allowed else {}, "caller": end.get("redactions") or {}, "record": hidden[Destination.RECORD]}


def _hidden(findings: Iterable[Json], granted: Collection[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in findings:
        category, count = str(finding.get("category")), finding.get("count")
        if isinstance(count, int) and (category == SECRET or ("*" not in granted and category not in granted)):
            counts[category] = counts.get(category, 0) + count
    return counts


def _routing(begin: Json, end: Json) -> Json:
    """The targets that were considered, in their order, and why some of them were not called."""
    considered = dicts(end.get("routing"))
    first = begin.get("target")
    return {
        "targets": considered or ([{"target": first, "tier": 0, "skipped": None}] if first else []),
        "passed_over": dicts(end.get("passed_over")),
    }


def _attempts(attempts: Iterable[Json]) -> Iterator[Json]:
    """The calls of targets in the order of time; ``waited_ms`` is how long after the end of the one before."""
    before: int | None = None
    for attempt in sorted(attempts, key=lambda one: one["started_ns"] if isinstance(one.get("started_ns"), int) else 0):
        started, ended, first = (attempt.get(name) for name in ("started_ns", "ended_ns", "first_token_ns"))
        yield attempt | {"waited_ms": _ms(before, started), "duration_ms": _ms(started, ended), "first_token_ms": _ms(started, first)}
        before = ended if isinstance(ended, int) else None


def _ms(start: Any, end: Any) -> float | None:
    return round(max(0, end - start) / 1e6, 3) if isinstance(start, int) and isinstance(end, int) else None


def _steps(steps: Any) -> Iterator[Json]:
    pairs = steps.items() if isinstance(steps, dict) else [step for step in steps or [] if isinstance(step, list) and len(step) == 2]
    for name, duration in pairs:
        yield {"name": name, "duration_ns": duration}
