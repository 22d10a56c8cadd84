"""What differs between the verdict that was and the verdict that would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.capabilities.policy.backtest.names import Names
from gateway.capabilities.policy.backtest.recorded import Said
from gateway.capabilities.redaction.placeholders import may_hold_letters
from gateway.domain import Destination, Json

NEWLY_DENIED, NEWLY_ALLOWED, NEWLY_ESCALATED = "newly_denied", "newly_allowed", "newly_escalated"
CHANGED_OBLIGATIONS, CHANGED_REASONS = "changed_obligations", "changed_reasons"
REFUSED_BY_GATEWAY, UNCHANGED = "refused_by_gateway", "unchanged"
KINDS: Final[Mapping[str, str]] = {
    NEWLY_DENIED: "let go or left to a person then, refused by the candidate",
    NEWLY_ALLOWED: "refused or left to a person then, let go by the candidate",
    NEWLY_ESCALATED: "let go or refused then, left to a person by the candidate",
    CHANGED_OBLIGATIONS: "let go or left to a person by both, under other obligations",
    CHANGED_REASONS: "refused or left to a person by both, by other rules",
    REFUSED_BY_GATEWAY: "let go or left to a person by both policies and refused by the gateway itself, which cannot meet what they demand",
    UNCHANGED: "decided alike",
}
"""Every decision that was replayed is one of these."""
_BY_OUTCOME: Final = {"deny": NEWLY_DENIED, "allow": NEWLY_ALLOWED, "escalate": NEWLY_ESCALATED}
_PLAIN: Final[Mapping[str, Any]] = {"allow_unscanned": False, "require_schema": None, "allow_invalid": False}
_BOUNDS: Final = ("max_tokens", "retention_days")


def kind_of(before: Said, after: Said, changes: tuple[str, ...]) -> str:
    """What became of a decision; ``changes`` are those of its obligations."""
    if before.effective != after.effective:
        return _BY_OUTCOME[after.effective]
    if after.effective == "allow":
        return CHANGED_OBLIGATIONS if changes else UNCHANGED
    if _rules_differ(before.because, after.because):
        return CHANGED_REASONS
    if after.gateway:
        return REFUSED_BY_GATEWAY
    return CHANGED_OBLIGATIONS if changes and after.effective == "escalate" else UNCHANGED


def changes(before: Json, after: Json, names: Names) -> tuple[str, ...]:
    """Which obligations differ, such as ``reveal.model +EMAIL_ADDRESS`` and ``max_tokens lowered``; no value of a label, and no computed name."""
    return tuple(sorted({*_reveals(before, after, names), *_bounds(before, after), *_others(before, after)}))


def _reveals(before: Json, after: Json, names: Names) -> Iterator[str]:
    was, becomes = before.get("reveal") or {}, after.get("reveal") or {}
    for destination in (each.value for each in Destination):
        old, new = set(was.get(destination) or ()), set(becomes.get(destination) or ())
        for sign, categories in (("+", new - old), ("-", old - new)):
            for category in categories:
                yield f"reveal.{destination} {sign}{category if category == '*' else names.shown(category)}"


def _bounds(before: Json, after: Json) -> Iterator[str]:
    for name in _BOUNDS:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None or new is None:
            yield f"{name} {'set' if old is None else 'dropped'}"
        else:
            yield f"{name} {'lowered' if new < old else 'raised'}"


def _others(before: Json, after: Json) -> Iterator[str]:
    for name, default in _PLAIN.items():
        if before.get(name, default) != after.get(name, default):
            yield f"{name} changed"
    if before.get("routes") != after.get("routes"):
        yield "routes changed"
    was, becomes = before.get("approval") or {}, after.get("approval") or {}
    for name in sorted(was.keys() | becomes.keys()):
        if was.get(name) != becomes.get(name):
            yield f"approval.{name} changed"
    if _labels_differ(before.get("labels") or {}, after.get("labels") or {}):
        yield "labels changed"


def _labels_differ(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """A label on the record may be redacted: nobody can tell then whether it is another one now."""
    if before == after:
        return False
    hidden = {name for name, value in before.items() if _hidden(name) or _hidden(value)}
    if any(map(_hidden, hidden)):
        return len(before) != len(after)
    return before.keys() != after.keys() or any(before[name] != after[name] for name in before.keys() - hidden)


def _rules_differ(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    """Whether the rules differ; a name that is redacted on the record is like any other."""
    if any(map(_hidden, before)):
        return len(before) != len(after)
    return set(before) != set(after)


def _hidden(value: Any) -> bool:
    return isinstance(value, str) and ("<SECRET>" in value or may_hold_letters(value.encode("utf-8", "replace")))
