"""A record drawn as text: what happened when, why, and what it cost. Facts that it does not know are left out, never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.capabilities.records import timeline_holds
from gateway.capabilities.records.decision_inputs import told_decisions
from gateway.capabilities.records.entries import CLOSED, CORRECTED, DECIDED, ERASED, OPENED, PARKED, RESUMED
from gateway.capabilities.records.holds import dicts, new_attempts
from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.capabilities.records.timeline_words import (
    clock,
    decision_lines,
    detail,
    details,
    event,
    finding_words,
    http,
    joined,
    labelled,
    pairs,
    printable,
    step_words,
)
from gateway.domain import Hook, Json

_A_WAIT_NS: Final = 10_000_000
"""A pause shorter than 10 ms is the gateway's own work, such as checking the answer before, and no wait."""
_REPAIRS: Final = {
    "extracted": "JSON taken out of the text around it, without a call:",
    "asked": "the model was asked again and told where:",
    "replaced": "another target was asked afresh, in place of",
}


def draw(record: Record) -> Iterator[str]:
    """The lines of a record's timeline. Times are milliseconds since the intent was opened."""
    opened, begin = record.first(OPENED), record.entries[0].at_ns
    facts = opened.facts if opened else {}
    yield f"{record.id}  {record.state}"
    yield from labelled("tenant", record.tenant)
    yield from labelled("subject", _subject(facts.get("subject")))
    yield from labelled("route", joined(" → ", facts.get("route"), facts.get("target")))
    yield from labelled("trace", facts.get("trace_id"))
    yield from labelled("versions", pairs(facts.get("versions")))
    yield ""
    attempts = {id(entry): told for entry, told in new_attempts(record)}
    for entry in record.entries:
        if entry.kind == CLOSED:
            yield from _course(entry.facts)
        yield from _attempts(attempts.get(id(entry), []), begin)
        yield from _ENTRIES.get(entry.kind, _other)(entry, begin)
        if entry.erased:
            yield detail("content erased")


def _opened(entry: RecordedEntry, begin: int) -> Iterator[str]:
    facts = entry.facts
    mode = joined(", ", facts.get("surface"), "stream" if facts.get("stream") else None, facts.get("stream_mode"))
    yield event(entry.at_ns, begin, "opened", f"{clock(entry.at_ns)}  {mode}")
    yield from details("found", finding_words(facts.get("findings")))
    yield from details("not scanned", ", ".join(f"{item.get('where')} ({item.get('kind')})" for item in facts.get("unscanned") or []))
    yield from decision_lines(facts.get("decision"), "intent")


def _closed(entry: RecordedEntry, begin: int) -> Iterator[str]:
    facts = entry.facts
    yield from _quality(facts)
    yield from details("found in answer", finding_words(facts.get("findings")))
    for decision in _decisions(entry):
        yield from decision_lines(decision, "answer")
    yield event(entry.at_ns, begin, "closed", joined("  ", facts.get("state"), facts.get("reason"), http(facts.get("http_status"))))
    yield from details("joined", joined("", facts.get("joined")))
    yield from details(
        "approved by", ", ".join(joined(" ", printable(one.get("name")), one.get("by"), one.get("action")) for one in dicts(facts.get("approvals")))
    )
    yield from details("redacted", pairs(facts.get("redactions")))
    yield from details("steps", step_words(facts.get("steps") or facts.get("timing")))


def _decisions(closed: RecordedEntry) -> list[Json]:
    """Of several choices the last decision, which settled the answer; after a hold all, for the intent was decided about once more."""
    told = told_decisions(closed)
    if any(one.get("hook") == Hook.INTENT for one in told):
        return told
    return dicts(closed.facts.get("decision")) or told[-1:]


def _erased(entry: RecordedEntry, begin: int) -> Iterator[str]:
    yield event(None, begin, "erased", f"{clock(entry.at_ns)}  {entry.facts.get('why', '')}")


def _other(entry: RecordedEntry, begin: int) -> Iterator[str]:
    yield event(entry.at_ns, begin, entry.kind, clock(entry.at_ns))
    yield from details("facts", pairs(entry.facts))


_ENTRIES = {
    OPENED: _opened,
    PARKED: timeline_holds.parked,
    DECIDED: timeline_holds.decided,
    RESUMED: timeline_holds.resumed,
    CLOSED: _closed,
    ERASED: _erased,
    CORRECTED: _other,
}


def _course(facts: Json) -> Iterator[str]:
    """Which targets could serve the intent, in their order, and why others could not."""
    order = dicts(facts.get("routing"))
    if order:
        open_to = [one.get("target") for one in order if not one.get("skipped")]
        yield event(None, 0, "routed", " → ".join(map(str, open_to)) or "no target was left")
    yield from details("skipped", ", ".join(f"{one.get('target')} ({one['skipped']})" for one in order if one.get("skipped")))
    yield from details("passed over", ", ".join(f"{one.get('target')} ({one.get('reason')})" for one in dicts(facts.get("passed_over"))))


def _attempts(attempts: list[Json], begin: int) -> Iterator[str]:
    """Every call of a target, with how long the gateway waited before it once the one before had ended."""
    before: int | None = None
    for attempt in sorted(attempts, key=lambda one: one["started_ns"] if isinstance(one.get("started_ns"), int) else 0):
        yield from _attempt(attempt, begin)
        started, ended = attempt.get("started_ns"), attempt.get("ended_ns")
        if before is not None and isinstance(started, int) and started - before >= _A_WAIT_NS:
            yield detail(f"waited: {(started - before) / 1e6:.1f} ms before it")
        before = ended if isinstance(ended, int) else None
    costs = [cost for attempt in attempts if isinstance(cost := attempt.get("cost_microusd"), int)]
    if len(attempts) > 1:
        yield event(None, 0, "together", f"{len(attempts)} attempts, {sum(costs)} micro-USD")


def _quality(facts: Json) -> Iterator[str]:
    """Whether the answer met its schema, what it took, and how far it is trusted."""
    for repair in dicts(facts.get("repairs")):
        yield event(None, 0, "repaired", joined("  ", _REPAIRS.get(str(repair.get("kind")), repair.get("kind")), repair.get("target")))
        yield from _failures("it broke", repair)
    schema = facts.get("schema")
    if isinstance(schema, dict) and schema.get("valid") is not None:
        yield event(None, 0, "checked", "meets its schema" if schema["valid"] else "breaks its schema")
        yield from _failures("at", schema)
    for judged in dicts(facts.get("confidence")):
        score = judged.get("score")
        yield event(None, 0, "assessed", "no signal, no confidence" if score is None else f"confidence {score}")
        yield from details("signals", pairs(judged.get("signals")))
    if facts.get("last_resort"):
        yield event(None, 0, "answered", "the route's last resort: no target gave a usable answer")


def _failures(label: str, broken: Json) -> Iterator[str]:
    for failure in dicts(broken.get("failures")):
        yield detail(f"{label}: {failure.get('where') or 'the whole'}  {failure.get('keyword')}")


def _attempt(attempt: Json, begin: int) -> Iterator[str]:
    started, ended, first = (attempt.get(name) for name in ("started_ns", "ended_ns", "first_token_ns"))
    took = f"{(ended - started) / 1e6:.1f} ms" if isinstance(started, int) and isinstance(ended, int) else None
    until_first = f"first token after {(first - started) / 1e6:.1f} ms" if isinstance(first, int) and isinstance(started, int) else None
    outcome = joined(", ", http(attempt.get("status")), attempt.get("finish_reason"), attempt.get("error"))
    yield event(started, begin, "attempt", joined("  ", attempt.get("purpose"), attempt.get("target"), attempt.get("model"), outcome))
    yield from details("took", joined(", ", took, until_first))
    yield from details("tokens", _usage(attempt.get("usage")))
    cost = attempt.get("cost_microusd")
    yield from details("cost", f"{cost} micro-USD" if cost is not None else "")


def _usage(usage: Any) -> str:
    if not isinstance(usage, dict):
        return ""
    return f"{usage.get('input_tokens')} in, {usage.get('output_tokens')} out" + (" (estimated)" if usage.get("estimated") else "")


def _subject(subject: Any) -> str:
    if not isinstance(subject, dict):
        return ""
    groups = [f"{name} {', '.join(subject[name])}" for name in ("teams", "roles") if subject.get(name)]
    return joined("  ", joined(" ", subject.get("kind"), subject.get("id")), *groups)
