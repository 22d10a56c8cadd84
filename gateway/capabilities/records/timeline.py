"""A record drawn as text: what happened when, why, and what it cost. Facts that it does not know are left out, never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from gateway.capabilities.records.entries import CLOSED, CORRECTED, ERASED, OPENED
from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.domain import OPA, Json

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
    yield from _labelled("tenant", record.tenant)
    yield from _labelled("subject", _subject(facts.get("subject")))
    yield from _labelled("route", _joined(" → ", facts.get("route"), facts.get("target")))
    yield from _labelled("trace", facts.get("trace_id"))
    yield from _labelled("versions", _pairs(facts.get("versions")))
    yield ""
    for entry in record.entries:
        yield from _ENTRIES.get(entry.kind, _other)(entry, begin)
        if entry.erased:
            yield _detail("content erased")


def _opened(entry: RecordedEntry, begin: int) -> Iterator[str]:
    facts = entry.facts
    mode = _joined(", ", facts.get("surface"), "stream" if facts.get("stream") else None, facts.get("stream_mode"))
    yield _event(entry.at_ns, begin, "opened", f"{_clock(entry.at_ns)}  {mode}")
    yield from _details("found", _findings(facts.get("findings")))
    yield from _details("not scanned", ", ".join(f"{item.get('where')} ({item.get('kind')})" for item in facts.get("unscanned") or []))
    yield from _decision(facts.get("decision"), "intent")


def _closed(entry: RecordedEntry, begin: int) -> Iterator[str]:
    facts = entry.facts
    yield from _course(facts)
    yield from _attempts(_dicts(facts.get("attempts")), begin)
    yield from _quality(facts)
    yield from _details("found in answer", _findings(facts.get("findings")))
    yield from _decision(facts.get("decision"), "answer")
    yield _event(entry.at_ns, begin, "closed", _joined("  ", facts.get("state"), facts.get("reason"), _http(facts.get("http_status"))))
    yield from _details("redacted", _pairs(facts.get("redactions")))
    yield from _details("steps", _steps(facts.get("steps") or facts.get("timing")))


def _erased(entry: RecordedEntry, begin: int) -> Iterator[str]:
    yield _event(None, begin, "erased", f"{_clock(entry.at_ns)}  {entry.facts.get('why', '')}")


def _other(entry: RecordedEntry, begin: int) -> Iterator[str]:
    yield _event(entry.at_ns, begin, entry.kind, _clock(entry.at_ns))
    yield from _details("facts", _pairs(entry.facts))


_ENTRIES = {OPENED: _opened, CLOSED: _closed, ERASED: _erased, CORRECTED: _other}


def _decision(decision: Any, hook: str) -> Iterator[str]:
    if not isinstance(decision, dict):
        return
    took = decision.get("duration_ns")
    where = "in OPA" if decision.get("engine") == OPA else None
    how = _joined(", ", f"{took / 1e3:.0f} us" if isinstance(took, int) else None, where, "from memory" if decision.get("memoised") else None)
    yield _event(None, 0, "decided", f"{decision.get('hook', hook)}: {decision.get('outcome')}  ({how})" if how else f"{hook}: {decision.get('outcome')}")
    for reason in decision.get("reasons") or []:
        yield _detail(f"{reason.get('rule')}: {reason.get('message')}")
    yield from _details("obliged", _obligations(decision.get("obligations")))
    yield from _details("policy", str(decision.get("revision") or "")[:12])


def _obligations(obligations: Any) -> str:
    """What differs from the strictest, which is nothing: ``reveal: model EMAIL_ADDRESS; max_tokens: 512``."""
    if not isinstance(obligations, dict):
        return ""
    said = {name: value for name, value in obligations.items() if value not in (None, False, {}, [])}
    reveal = said.get("reveal")
    if isinstance(reveal, dict):
        said["reveal"] = ", ".join(f"{destination} {_words(categories)}" for destination, categories in reveal.items() if categories)
    return "; ".join(f"{name}: {_pairs(value) or _words(value)}" for name, value in said.items() if value)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _course(facts: Json) -> Iterator[str]:
    """Which targets could serve the intent, in their order, and why others could not."""
    order = _dicts(facts.get("routing"))
    if order:
        open_to = [one.get("target") for one in order if not one.get("skipped")]
        yield _event(None, 0, "routed", " → ".join(map(str, open_to)) or "no target was left")
    yield from _details("skipped", ", ".join(f"{one.get('target')} ({one['skipped']})" for one in order if one.get("skipped")))
    yield from _details("passed over", ", ".join(f"{one.get('target')} ({one.get('reason')})" for one in _dicts(facts.get("passed_over"))))


def _attempts(attempts: list[Json], begin: int) -> Iterator[str]:
    """Every call of a target, with how long the gateway waited before it once the one before had ended."""
    before: int | None = None
    for attempt in sorted(attempts, key=lambda one: one["started_ns"] if isinstance(one.get("started_ns"), int) else 0):
        yield from _attempt(attempt, begin)
        started, ended = attempt.get("started_ns"), attempt.get("ended_ns")
        if before is not None and isinstance(started, int) and started - before >= _A_WAIT_NS:
            yield _detail(f"waited: {(started - before) / 1e6:.1f} ms before it")
        before = ended if isinstance(ended, int) else None
    costs = [cost for attempt in attempts if isinstance(cost := attempt.get("cost_microusd"), int)]
    if len(attempts) > 1:
        yield _event(None, 0, "together", f"{len(attempts)} attempts, {sum(costs)} micro-USD")


def _quality(facts: Json) -> Iterator[str]:
    """Whether the answer met its schema, what it took, and how far it is trusted."""
    for repair in _dicts(facts.get("repairs")):
        yield _event(None, 0, "repaired", _joined("  ", _REPAIRS.get(str(repair.get("kind")), repair.get("kind")), repair.get("target")))
        yield from _failures("it broke", repair)
    schema = facts.get("schema")
    if isinstance(schema, dict) and schema.get("valid") is not None:
        yield _event(None, 0, "checked", "meets its schema" if schema["valid"] else "breaks its schema")
        yield from _failures("at", schema)
    for judged in _dicts(facts.get("confidence")):
        score = judged.get("score")
        yield _event(None, 0, "assessed", "no signal, no confidence" if score is None else f"confidence {score}")
        yield from _details("signals", _pairs(judged.get("signals")))
    if facts.get("last_resort"):
        yield _event(None, 0, "answered", "the route's last resort: no target gave a usable answer")


def _failures(label: str, broken: Json) -> Iterator[str]:
    for failure in _dicts(broken.get("failures")):
        yield _detail(f"{label}: {failure.get('where') or 'the whole'}  {failure.get('keyword')}")


def _attempt(attempt: Json, begin: int) -> Iterator[str]:
    started, ended, first = (attempt.get(name) for name in ("started_ns", "ended_ns", "first_token_ns"))
    took = f"{(ended - started) / 1e6:.1f} ms" if isinstance(started, int) and isinstance(ended, int) else None
    until_first = f"first token after {(first - started) / 1e6:.1f} ms" if isinstance(first, int) and isinstance(started, int) else None
    outcome = _joined(", ", _http(attempt.get("status")), attempt.get("finish_reason"), attempt.get("error"))
    yield _event(started, begin, "attempt", _joined("  ", attempt.get("purpose"), attempt.get("target"), attempt.get("model"), outcome))
    yield from _details("took", _joined(", ", took, until_first))
    yield from _details("tokens", _usage(attempt.get("usage")))
    cost = attempt.get("cost_microusd")
    yield from _details("cost", f"{cost} micro-USD" if cost is not None else "")


def _usage(usage: Any) -> str:
    if not isinstance(usage, dict):
        return ""
    return f"{usage.get('input_tokens')} in, {usage.get('output_tokens')} out" + (" (estimated)" if usage.get("estimated") else "")


def _findings(findings: Any) -> str:
    return ", ".join(f"{item.get('count')} {item.get('category')} in {item.get('where')}" for item in _dicts(findings))


def _dicts(value: Any) -> list[Json]:
    """The objects in a list; one that stands alone counts as a list of one."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _steps(steps: Any) -> str:
    pairs = steps.items() if isinstance(steps, dict) else [tuple(step) for step in steps or [] if len(step) == 2]
    return ", ".join(f"{name} {duration / 1e6:.2f} ms" for name, duration in pairs if isinstance(duration, int))


def _subject(subject: Any) -> str:
    if not isinstance(subject, dict):
        return ""
    groups = [f"{name} {', '.join(subject[name])}" for name in ("teams", "roles") if subject.get(name)]
    return _joined("  ", _joined(" ", subject.get("kind"), subject.get("id")), *groups)


def _http(status: Any) -> str | None:
    return None if status is None else f"HTTP {status}"


def _pairs(value: Any) -> str:
    return ", ".join(f"{name} {_short(item)}" for name, item in value.items()) if isinstance(value, dict) else ""


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value[:12] if isinstance(value, str) else str(value)


def _joined(separator: str, *parts: Any) -> str:
    return separator.join(str(part) for part in parts if part not in (None, ""))


def _clock(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event(at_ns: Any, begin: int, name: str, text: str) -> str:
    when = f"{(at_ns - begin) / 1e6:+10.1f} ms" if isinstance(at_ns, int) else " " * 13
    return f"{when}  {name:<8}  {text}".rstrip()


def _detail(text: str) -> str:
    return f"{'':25}{text}"


def _details(label: str, text: str) -> Iterator[str]:
    if text:
        yield _detail(f"{label}: {text}")


def _labelled(label: str, text: Any) -> Iterator[str]:
    if text:
        yield f"  {label:<9} {text}"
