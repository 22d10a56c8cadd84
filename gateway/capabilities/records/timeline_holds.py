"""How a timeline draws that an intent waited for people: why and for whom, who decided what, and how it went on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.capabilities.records.decision_inputs import told_decisions
from gateway.capabilities.records.holds import dicts
from gateway.capabilities.records.store import RecordedEntry
from gateway.capabilities.records.timeline_words import clock, decision_lines, detail, details, event, finding_words, joined, printable, step_words


def parked(entry: RecordedEntry, begin: int) -> Iterator[str]:
    """It began to wait."""
    facts = entry.facts
    yield from details("found in answer", finding_words(facts.get("findings")))
    for decision in told_decisions(entry):
        yield from decision_lines(decision, "answer")
    asked = joined(", ", facts.get("mode"), f"queue {facts['queue']}" if facts.get("queue") else None, facts.get("task"))
    yield event(entry.at_ns, begin, "parked", f"{clock(entry.at_ns)}  {asked}")
    for reason in dicts(facts.get("reasons")):
        yield detail(f"why: {reason.get('rule')}: {reason.get('message')}")
    yield from details("wanted", f"{facts['min_approvers']} people" if isinstance(facts.get("min_approvers"), int) and facts["min_approvers"] > 1 else "")
    yield from details("due", joined("; ", _time(facts.get("due_ns")), _expiry(facts)))
    yield from details("steps", step_words(facts.get("steps")))


def decided(entry: RecordedEntry, begin: int) -> Iterator[str]:
    """A person decided."""
    facts = entry.facts
    who = joined(" ", printable(facts.get("name")), f"({facts['by']})" if facts.get("by") else None)
    more = None if facts.get("complete") in (True, None) else "others have to decide, too"
    yield event(entry.at_ns, begin, "decided", joined("  ", clock(entry.at_ns), joined(": ", who, facts.get("action")), more))
    content = entry.content if isinstance(entry.content, dict) else {}
    yield from details("comment", printable(content.get("comment")))
    scope = facts.get("scope_sha256")
    yield from details("approval", joined(", ", facts.get("approval"), f"of exactly {scope[:12]}" if isinstance(scope, str) else None))
    yield from details("policy", str(facts.get("policy_revision") or "")[:12])


def resumed(entry: RecordedEntry, begin: int) -> Iterator[str]:
    """A process went on with it."""
    facts = entry.facts
    why = "nobody decided in time" if facts.get("why") == "expired" else facts.get("why")
    yield event(entry.at_ns, begin, "resumed", joined("  ", clock(entry.at_ns), why))
    approvals = facts.get("approvals")
    yield from details("approvals", ", ".join(map(str, approvals)) if isinstance(approvals, list) else "")
    yield from details("trace", joined("", facts.get("trace_id")))


def _time(at_ns: Any) -> str | None:
    return clock(at_ns) if isinstance(at_ns, int) and 0 <= at_ns < 2**62 else None


def _expiry(facts: dict[str, Any]) -> str | None:
    expires = _time(facts.get("expires_ns"))
    return None if expires is None else f"expires {expires}, then {facts.get('on_expiry') or 'refuse'}"
