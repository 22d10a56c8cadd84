"""Decisions, explanations and what-ifs as lines for people, and as JSON for tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from gateway.capabilities.policy.input_paths import NOTHING, shown
from gateway.capabilities.policy.verdict import obligation_facts
from gateway.capabilities.policy.what_if import Change, Flip
from gateway.domain import Decision, Json

_WIDE: Final = 160
"""Columns after which a value is cut; ``--json`` has all of it."""
_HEADINGS: Final = (("fired", "rules that fired"), ("failed", "rules that did not"), ("not_reached", "rules that nothing asked for"))


def decision_json(decision: Decision) -> Json:
    """A decision with the names of the contract."""
    return {
        "hook": decision.hook,
        "outcome": decision.verdict.outcome,
        "reasons": [reason._asdict() for reason in decision.verdict.reasons],
        "obligations": obligation_facts(decision.verdict.obligations) if decision.verdict.outcome != "deny" else None,
        "revision": decision.revision,
        "duration_us": decision.duration_ns // 1000,
        "input": orjson.Fragment(decision.input),
    }


def decision_lines(decision: Decision) -> Iterator[str]:
    """A decision: outcome, revision and time, then its reasons, and the terms for a person where one is asked."""
    yield f"{decision.verdict.outcome}  ({decision.hook} hook, revision {decision.revision[:12]}, {decision.duration_ns // 1000} us)"
    yield from reason_lines([reason._asdict() for reason in decision.verdict.reasons])
    terms = obligation_facts(decision.verdict.obligations).get("approval")
    if terms is not None:
        said = ", ".join(f"{name} {value if isinstance(value, str) else as_text(value)}" for name, value in terms.items() if value not in (None, []))
        yield f"  a person decides: {said}"


def reason_lines(reasons: Any) -> Iterator[str]:
    """Why, a line for each reason."""
    for reason in reasons or []:
        yield f"  {reason.get('rule')}: {reason.get('message')}"


def explanation_lines(why: Json) -> Iterator[str]:
    """What ``Explanation.as_json`` has, for people."""
    tried: set[str] = set()
    for status, heading in _HEADINGS:
        rules = [rule for rule in why["rules"] if rule["status"] == status]
        names = sorted({rule["rule"] for rule in rules} - tried)
        tried |= set(names)
        if not names and status == "not_reached":
            continue  # only other clauses of rules that are above
        if rules:
            yield f"{heading}:"
        if status == "not_reached":
            yield f"  {', '.join(names)}"
            continue
        width = max((len(f"{rule['file']}:{rule['line']}") for rule in rules), default=0)
        yield from (_rule(rule, width) for rule in rules)
    yield from _reads("data that they read", why["data"])
    yield from _reads("input that the policy reads", why["inputs"])
    for note in why["notes"]:
        yield f"note: {note}"


def _rule(rule: Json, width: int) -> str:
    kind = "" if rule["kind"] == "rule" else f" ({rule['kind']})"
    line = f"  {rule['file']}:{rule['line']}".ljust(width + 4) + f"{rule['rule']}{kind}"
    failed = rule["failed"]
    if failed is not None:
        return cut(f"{line}  stopped at {failed['file']}:{failed['line']}: {' '.join((failed['text'] or '').split())}")
    return cut(f"{line} = {as_text(rule['value'])}" if "value" in rule else line)


def _reads(heading: str, reads: list[Json]) -> Iterator[str]:
    if reads:
        yield f"{heading}:"
    for read in reads:
        yield cut(f"  {read['path']} = {as_text(read['value'])}" if "value" in read else f"  {read['path']}" + ("" if read["there"] else " is not there"))


def change_line(change: Change) -> str:
    """``subject.teams[1]: nothing -> "research"``."""
    return cut(f"{shown(change.path)}: {as_text(change.old)} -> {as_text(change.new)}")


def flip_lines(found: Flip) -> Iterator[str]:
    """What came of the search for the smallest change."""
    tried = f"{found.tried:,} of {found.known:,} changes tried" if found.tried < found.known else f"{found.tried:,} changes tried"
    if found.change is None or found.decision is None:
        yield f"no change of one field gives another outcome ({tried})"
        return
    yield f"the smallest change that gives another outcome ({tried}):"
    yield f"  {change_line(found.change)}"
    yield f"  outcome: {found.decision.verdict.outcome}"
    yield from (f"  {line}" for line in reason_lines([reason._asdict() for reason in found.decision.verdict.reasons]))


def as_text(value: Any) -> str:
    """A value as JSON on one line."""
    return "nothing" if value is NOTHING else orjson.dumps(value).decode()


def cut(line: str) -> str:
    """A line that fits a terminal."""
    return line if len(line) <= _WIDE else f"{line[: _WIDE - 3]}..."
