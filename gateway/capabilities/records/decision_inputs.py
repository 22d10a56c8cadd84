"""The inputs of decisions as records have them, to ask a policy again; and what such an input may lack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.capabilities.records.entries import CLOSED, ERASED, OPENED, PARKED
from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.domain import Hook, Json

_ASKED: Final = ("messages", "tools", "params")
_SAID: Final = ("text", "tool_calls", "finish_reason")


class InputUnavailableError(Exception):
    """The record has no such input; ``str()`` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """One decision of a record, with the input that was decided."""

    hook: Hook
    choice: int
    """Of an answer: which of its choices was decided about, from 1; of an intent 0."""
    hold: int = 0
    """How often the intent had waited for a person before."""
    facts: Json
    """Outcome, reasons, obligations, revision and so on, as recorded."""
    input: Json | None
    """``None`` where it was erased, or never kept."""
    redacted: bool
    """Whether content in the input may have been replaced by placeholders, because something was found."""

    @property
    def revision(self) -> str:
        """Of the policy that decided."""
        return str(self.facts.get("revision") or "")


def stored_decisions(record: Record) -> tuple[StoredDecision, ...]:
    """The decisions of a record in their order: the intent's first, then one for each choice of the answer that was decided about.

    Where the intent waited for a person, policy was asked again afterwards, and all of that follows in the same order.
    """
    return tuple(_decisions(record))


def _decisions(record: Record) -> Iterator[StoredDecision]:
    opened, found = record.first(OPENED), False
    if opened is not None:
        found = bool(opened.facts.get("findings") or opened.facts.get("unscanned"))
        if isinstance(opened.facts.get("decision"), dict):
            yield _stored(Hook.INTENT, 0, opened.facts["decision"], _content(opened).get("decision_input"), found=found)
    hold = 0
    for entry in record.entries:
        if entry.kind in {PARKED, CLOSED}:
            yield from _later(entry, hold, found=found)
        hold += entry.kind == PARKED


def _later(entry: RecordedEntry, hold: int, *, found: bool) -> Iterator[StoredDecision]:
    """What was decided between the entry before and this one. An older record says nothing of the hook: then it is the answer's."""
    facts, content = entry.facts, _content(entry)
    choice = 0
    inputs = content.get("decision_inputs") or [content.get("decision_input")]
    for at, decision in enumerate(told_decisions(entry)):
        asked = inputs[at] if isinstance(inputs, list) and at < len(inputs) else None
        if decision.get("hook") == Hook.INTENT:
            yield _stored(Hook.INTENT, 0, decision, asked, hold=hold, found=found)
        else:
            choice += 1
            yield _stored(Hook.ANSWER, choice, decision, asked, hold=hold, found=found or bool(facts.get("findings")))


def told_decisions(entry: RecordedEntry) -> list[Json]:
    """The decisions that a ``parked`` or ``closed`` entry tells of."""
    several = entry.facts.get("decisions")
    return [one for one in (several if isinstance(several, list) and several else [entry.facts.get("decision")]) if isinstance(one, dict)]


def _stored(hook: Hook, choice: int, facts: Json, asked: Any, *, hold: int = 0, found: bool) -> StoredDecision:
    known = asked if isinstance(asked, dict) else None
    return StoredDecision(hook=hook, choice=choice, hold=hold, facts=facts, input=known, redacted=found and known is not None and _has_content(known))


def _has_content(asked: Json) -> bool:
    request, answer = asked.get("request") or {}, asked.get("answer") or {}
    return any(map(request.get, _ASKED)) or any(map(answer.get, _SAID))


def _content(entry: RecordedEntry) -> Json:
    return entry.content if isinstance(entry.content, dict) else {}


def choose(record: Record, which: str) -> StoredDecision:
    """The decision of a record that ``which`` names: ``intent``, ``answer`` (of several choices the last, which settled it), or the number of a choice.

    Where policy was asked again, because the intent had waited for a person, it is the last of that name; ``NAME.1`` is the first one, ``NAME.2`` the second.

    Raises:
        InputUnavailableError: There is no such decision, or its input is not there any more.
    """
    decisions = stored_decisions(record)
    name, dot, number = which.partition(".")
    named = [one for one in decisions if name in {one.hook, str(one.choice) if one.choice else one.hook}]
    if dot:
        named = named[int(number) - 1 : int(number)] if number.isdecimal() and number.isascii() and 0 < len(number) < 6 and int(number) > 0 else []
    found = named[-1] if named else None
    if found is None:
        raise InputUnavailableError(f"record {record.id} has no decision {which}; {_there(decisions)}")
    if found.input is None:
        raise InputUnavailableError(f"record {record.id} does not have the input of the decision {which} any more: {why_missing(record)}")
    return found


def _there(decisions: tuple[StoredDecision, ...]) -> str:
    names = []
    for at, one in enumerate(decisions):
        earlier = sum(other.hook is one.hook and other.choice == one.choice for other in decisions[:at])
        name = "intent" if one.hook is Hook.INTENT else f"answer, choice {one.choice}"
        names.append(f"{name} again ({one.choice or one.hook.value}.{earlier + 1})" if earlier else name)
    return f"it has {', '.join(names)}" if names else "policy was never asked about it"


def why_missing(record: Record) -> str:
    """Why a record has no content, for people."""
    erased = [entry for entry in record.entries if entry.kind == ERASED]
    if erased:
        why = "its time had come" if erased[-1].facts.get("why") == "expired" else "somebody asked for that"
        return f"its content was erased because {why}"
    return "its content was erased" if any(entry.erased for entry in record.entries) else "it was never kept"
