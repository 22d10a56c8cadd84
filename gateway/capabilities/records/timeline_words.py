"""How a timeline words what is the same in every entry: times, findings, decisions. What is not there gives nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gateway.capabilities.records.holds import dicts
from gateway.domain import OPA


def decision_lines(decision: Any, hook: str) -> Iterator[str]:
    """What policy decided and why. ``hook`` is whose decision it is where it does not say so itself."""
    if not isinstance(decision, dict):
        return
    took = decision.get("duration_ns")
    where = "in OPA" if decision.get("engine") == OPA else None
    how = joined(", ", f"{took / 1e3:.0f} us" if isinstance(took, int) else None, where, "from memory" if decision.get("memoised") else None)
    yield event(None, 0, "decided", joined("  ", f"{decision.get('hook', hook)}: {decision.get('outcome')}", f"({how})" if how else None))
    for reason in decision.get("reasons") or []:
        yield detail(f"{reason.get('rule')}: {reason.get('message')}")
    yield from details("obliged", _obligations(decision.get("obligations")))
    yield from details("policy", str(decision.get("revision") or "")[:12])


def _obligations(obligations: Any) -> str:
    """What differs from the strictest, which is nothing: ``reveal: model EMAIL_ADDRESS; max_tokens: 512``."""
    if not isinstance(obligations, dict):
        return ""
    said = {name: value for name, value in obligations.items() if value not in (None, False, {}, [])}
    reveal = said.get("reveal")
    if isinstance(reveal, dict):
        said["reveal"] = ", ".join(f"{destination} {_words(categories)}" for destination, categories in reveal.items() if categories)
    return "; ".join(f"{name}: {pairs(value) or _words(value)}" for name, value in said.items() if value)


def finding_words(findings: Any) -> str:
    """What was found where."""
    return ", ".join(f"{item.get('count')} {item.get('category')} in {item.get('where')}" for item in dicts(findings))


def step_words(steps: Any) -> str:
    """How long each step took."""
    timed = steps.items() if isinstance(steps, dict) else [tuple(step) for step in steps or [] if len(step) == 2]
    return ", ".join(f"{name} {duration / 1e6:.2f} ms" for name, duration in timed if isinstance(duration, int))


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def http(status: Any) -> str | None:
    """An HTTP status."""
    return None if status is None else f"HTTP {status}"


def pairs(value: Any) -> str:
    """An object, its values shortened."""
    return ", ".join(f"{name} {_short(item)}" for name, item in value.items()) if isinstance(value, dict) else ""


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value[:12] if isinstance(value, str) else str(value)


def joined(separator: str, *parts: Any) -> str:
    """Those parts that say something."""
    return separator.join(str(part) for part in parts if part not in (None, ""))


def clock(at_ns: int) -> str:
    """A time of day, UTC."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(at_ns: Any, begin: int, name: str, text: str) -> str:
    """A line for something that happened: since ``begin``, what, and more of it."""
    when = f"{(at_ns - begin) / 1e6:+10.1f} ms" if isinstance(at_ns, int) else " " * 13
    return f"{when}  {name:<8}  {text}".rstrip()


def detail(text: str) -> str:
    """A line below one of those."""
    return f"{'':25}{text}"


def details(label: str, text: str) -> Iterator[str]:
    """The same with a label, where there is something to say."""
    if text:
        yield detail(f"{label}: {text}")


def labelled(label: str, text: Any) -> Iterator[str]:
    """A line of the head."""
    if text:
        yield f"  {label:<9} {text}"


def printable(text: Any) -> str:
    """What a person wrote, on one line and without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(str(text).split())) if isinstance(text, str) else ""
