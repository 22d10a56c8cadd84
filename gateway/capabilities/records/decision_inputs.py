"""The inputs of decisions as records have them, to ask a policy again; and what such an input may lack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.capabilities.records.entries import CLOSED, ERASED, OPENED
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
    """The decisions of a record in their order: the intent's first, then one for each choice of the answer that was decided about."""
    return tuple(_decisions(record))


def _decisions(record: Record) -> Iterator[StoredDecision]:
    opened, closed = record.first(OPENED), record.first(CLOSED)
    found = False
    if opened is not None:
        found = bool(opened.facts.get("findings") or opened.facts.get("unscanned"))
        if isinstance(opened.facts.get("decision"), dict):
            yield _stored(Hook.INTENT, 0, opened.facts["decision"], _content(opened).get("decision_input"), found=found)
    if closed is not None:
        yield from _answers(closed, found=found)


def _answers(closed: RecordedEntry, *, found: bool) -> Iterator[StoredDecision]:
    facts, content = closed.facts, _content(closed)
    decisions = facts.get("decisions") or ([facts["decision"]] if isinstance(facts.get("decision"), dict) else [])
    inputs = content.get("decision_inputs") or [content.get("decision_input")]
    for at, decision in enumerate(decisions):
        asked = inputs[at] if at < len(inputs) else None
        yield _stored(Hook.ANSWER, at + 1, decision, asked, found=found or bool(facts.get("findings")))


def _stored(hook: Hook, choice: int, facts: Json, asked: Any, *, found: bool) -> StoredDecision:
    known = asked if isinstance(asked, dict) else None
    return StoredDecision(hook=hook, choice=choice, facts=facts, input=known, redacted=found and known is not None and _has_content(known))


def _has_content(asked: Json) -> bool:
    request, answer = asked.get("request") or {}, asked.get("answer") or {}
    return any(map(request.get, _ASKED)) or any(map(answer.get, _SAID))


def _content(entry: RecordedEntry) -> Json:
    return entry.content if isinstance(entry.content, dict) else {}


def choose(record: Record, which: str) -> StoredDecision:
    """The decision of a record that ``which`` names: ``intent``, ``answer`` (of several choices the last, which settled it), or the number of a choice.

    Raises:
        InputUnavailableError: There is no such decision, or its input is not there any more.
    """
    decisions = stored_decisions(record)
    answers = [decision for decision in decisions if decision.hook is Hook.ANSWER]
    if which == Hook.INTENT:
        found = next((decision for decision in decisions if decision.hook is Hook.INTENT), None)
    elif which == Hook.ANSWER:
        found = answers[-1] if answers else None
    else:
        found = next((decision for decision in answers if str(decision.choice) == which), None)
    if found is None:
        raise InputUnavailableError(f"record {record.id} has no decision {which}; {_there(decisions)}")
    if found.input is None:
        raise InputUnavailableError(f"record {record.id} does not have the input of the decision {which} any more: {why_missing(record)}")
    return found


def _there(decisions: tuple[StoredDecision, ...]) -> str:
    names = ["intent" if one.hook is Hook.INTENT else f"answer, choice {one.choice}" for one in decisions]
    return f"it has {', '.join(names)}" if names else "policy was never asked about it"


def why_missing(record: Record) -> str:
    """Why a record has no content, for people."""
    erased = [entry for entry in record.entries if entry.kind == ERASED]
    if erased:
        why = "its time had come" if erased[-1].facts.get("why") == "expired" else "somebody asked for that"
        return f"its content was erased because {why}"
    return "its content was erased" if any(entry.erased for entry in record.entries) else "it was never kept"
