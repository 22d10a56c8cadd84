"""The inputs of decisions as records have them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.capabilities.records.decision_inputs import InputUnavailableError, choose, stored_decisions, why_missing
from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.domain import Hook

FOUND = [{"category": "EMAIL_ADDRESS", "count": 1, "where": "messages[0].content", "origin": "caller"}]


def entry(kind: str, facts: dict[str, Any], content: Any = None, *, erased: bool = False) -> RecordedEntry:
    salt = None if erased else b"s" * 16
    digests = {"content": "00"} if content is not None or erased else {}
    return RecordedEntry(writer="w", seq=0, kind=kind, at_ns=1, facts=facts, digests=digests, salt=salt, content=content)


def record(*entries: RecordedEntry) -> Record:
    return Record(id="int_1", tenant="acme", state="completed", entries=entries)


def decided(hook: str, outcome: str = "allow") -> dict[str, Any]:
    return {"hook": hook, "outcome": outcome, "revision": "r1"}


OPENED = entry("opened", {"decision": decided("intent")}, {"decision_input": {"request": {"route": "a"}}})
CHOICES = entry(
    "closed",
    {"decision": decided("answer", "deny"), "decisions": [decided("answer"), decided("answer", "deny")], "findings": FOUND},
    {"decision_input": {"answer": {"text": "2"}}, "decision_inputs": [{"answer": {"text": "1"}}, {"answer": {"text": "2"}}]},
)


def test_every_decision_is_found_with_its_input() -> None:
    found = stored_decisions(record(OPENED, CHOICES))
    assert [(one.hook, one.choice, one.facts["outcome"]) for one in found] == [(Hook.INTENT, 0, "allow"), (Hook.ANSWER, 1, "allow"), (Hook.ANSWER, 2, "deny")]
    assert [one.redacted for one in found] == [False, True, True]
    assert found[0].revision == "r1"


@pytest.mark.parametrize(("which", "text"), [("answer", "2"), ("1", "1"), ("2", "2")])
def test_a_choice_is_named_by_its_number_and_the_answer_is_the_last(which: str, text: str) -> None:
    assert (choose(record(OPENED, CHOICES), which).input or {})["answer"]["text"] == text


def test_one_answer_needs_no_list() -> None:
    single = entry("closed", {"decision": decided("answer")}, {"decision_input": {"answer": {"schema_valid": True}}})
    assert choose(record(OPENED, single), "answer").input == {"answer": {"schema_valid": True}}
    assert choose(record(OPENED, single), "intent").input == {"request": {"route": "a"}}


@pytest.mark.parametrize(
    ("entries", "which", "said"),
    [
        ([OPENED], "answer", "has no decision answer; it has intent"),
        ([OPENED, CHOICES], "7", "has no decision 7; it has intent, answer, choice 1, answer, choice 2"),
        ([entry("opened", {})], "intent", "policy was never asked about it"),
        ([entry("opened", {"decision": decided("intent")}, {})], "intent", "it was never kept"),
        ([entry("opened", {"decision": decided("intent")}, erased=True)], "intent", "its content was erased"),
        ([entry("opened", {"decision": decided("intent")}, erased=True), entry("erased", {"why": "expired"})], "intent", "because its time had come"),
        ([entry("opened", {"decision": decided("intent")}, erased=True), entry("erased", {"why": "request"})], "intent", "somebody asked for that"),
    ],
)
def test_what_is_not_there_is_said_and_why(entries: list[RecordedEntry], which: str, said: str) -> None:
    with pytest.raises(InputUnavailableError, match=said):
        choose(record(*entries), which)


def test_findings_alone_do_not_make_an_input_redacted() -> None:
    facts = {"decision": decided("intent"), "findings": FOUND}
    assert not stored_decisions(record(entry("opened", facts, {"decision_input": {"findings": FOUND}})))[0].redacted
    assert stored_decisions(record(entry("opened", facts, {"decision_input": {"request": {"messages": ["<EMAIL>"]}}})))[0].redacted
    assert why_missing(record(OPENED)) == "it was never kept"


PARKED = entry(
    "parked",
    {"decisions": [decided("answer", "escalate"), decided("answer", "allow")], "findings": FOUND},
    {"decision_inputs": [{"answer": {"text": "a"}}, {"answer": {"text": "b"}}]},
)
RESUMED = entry(
    "closed",
    {"decisions": [decided("intent"), decided("answer"), decided("answer", "deny")]},
    {"decision_inputs": [{"approvals": [{"id": "apr_1"}]}, {"answer": {"text": "c"}}, {"answer": {"text": "d"}}]},
)
HELD = record(OPENED, PARKED, entry("resumed", {}), RESUMED)


def test_after_a_hold_the_intent_and_its_answer_are_decided_about_once_more() -> None:
    found = stored_decisions(HELD)
    assert [(one.hook, one.choice, one.hold, one.facts["outcome"]) for one in found] == [
        (Hook.INTENT, 0, 0, "allow"),
        (Hook.ANSWER, 1, 0, "escalate"),
        (Hook.ANSWER, 2, 0, "allow"),
        (Hook.INTENT, 0, 1, "allow"),
        (Hook.ANSWER, 1, 1, "allow"),
        (Hook.ANSWER, 2, 1, "deny"),
    ]
    assert [one.redacted for one in found] == [False, True, True, False, False, False]


@pytest.mark.parametrize(
    ("which", "text"),
    [
        ("intent", None),
        ("intent.2", None),
        ("answer", "d"),
        ("answer.1", "a"),
        ("answer.4", "d"),
        ("1", "c"),
        ("1.1", "a"),
        ("1.2", "c"),
        ("2", "d"),
        ("2.1", "b"),
    ],
)
def test_of_decisions_of_one_name_it_is_the_last_and_a_number_says_which(which: str, text: str | None) -> None:
    found = choose(HELD, which).input or {}
    assert found == {"approvals": [{"id": "apr_1"}]} if text is None else found["answer"]["text"] == text


@pytest.mark.parametrize(
    "which", ["intent.0", "intent.3", "intent.x", "answer.-1", "answer.5", "3", "1.3", "", ".", "intent.", "0", "answer.99999999", "intent.\u0662"]
)
def test_a_name_of_no_decision_says_which_there_are(which: str) -> None:
    with pytest.raises(
        InputUnavailableError, match=r"it has intent, answer, choice 1, answer, choice 2, intent again \(intent\.2\), answer, choice 1 again \(1\.2\)"
    ):
        choose(HELD, which)


@pytest.mark.parametrize("odd", [None, "odd", 3, [], ["odd"], [None], {}, [{}]])
def test_odd_decisions_of_a_hold_are_borne(odd: Any) -> None:
    for facts, content in (({"decisions": odd}, {}), ({"decisions": [decided("answer")]}, {"decision_inputs": odd}), ({"decision": odd}, odd)):
        found = stored_decisions(record(OPENED, entry("parked", facts, content), entry("closed", facts, content)))
        assert found[0].hook is Hook.INTENT
