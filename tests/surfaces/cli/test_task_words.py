"""A task in words, whatever the texts in it are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.surfaces.cli.task_words import drawn, plain, relative, row_of

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
PERSON = {"id": "k1", "name": "Ada Example"}
TASK: dict[str, Any] = {
    "id": "tsk_1",
    "intent": "int_1",
    "queue": "approvals",
    "mode": "review",
    "state": "open",
    "version": 3,
    "route": "payments",
    "requester": {"id": "k2", "name": ""},
    "reasons": [{"rule": "test.rule", "message": "a person has to look"}],
    "signals": {"refusal": 0.5},
    "confidence": 0.25,
    "due_at": "2026-01-05T10:12:30.5Z",
    "expires_at": "2026-01-06T10:00:00Z",
    "on_expiry": "refuse",
    "min_approvers": 2,
    "distinct_from": ["requester"],
    "approvals": [{"by": PERSON}],
    "outcome": None,
    "claimed_by": PERSON,
    "claimed_until": "2026-01-05T10:15:00.123Z",
    "actions": ["accept", "edit", "refuse"],
    "context": {
        "request": {"model": "payments", "messages": [{"role": "user", "content": "one\ntwo"}, {"role": "tool", "content": [{"type": "text"}]}, "odd"]},
        "draft": {"choices": [{"index": 0, "content": "the draft", "tool_calls": []}], "author": "simulated-1"},
    },
    "context_missing": None,
    "history": [{"at": "2026-01-05T10:00:00.1Z", "move": "claim", "by": PERSON, "facts": {}}],
}


def test_all_that_a_reviewer_needs_is_drawn() -> None:
    text = "\n".join(drawn(TASK, NOW))
    for line in (
        "tsk_1  open  review in queue approvals  version 3",
        "asked by k2 (k2) on route payments; record int_1",
        "due in 12 min, expires in 1 d, then: refuse",
        "wants 2 persons; approved by Ada Example",
        "not by: requester",
        "Ada Example works on it until 2026-01-05T10:15:00Z",
        "because a person has to look (test.rule)",
        'confidence 0.25  {"refusal":0.5}',
        "user:\n    one\n    two",
        'tool:\n    {"content":[{"type":"text"}]}',
        '?:\n"odd"',
        'parameters: {"model":"payments"}',
        "draft 0 by simulated-1:\n    the draft",
        "2026-01-05T10:00:00Z  claim      Ada Example",
        "decide: gateway tasks decide tsk_1 --version 3 --accept | --edit FILE | --refuse",
    ):
        assert line in text, text


def test_what_has_ended_says_how_and_asks_for_nothing() -> None:
    ended = TASK | {"state": "decided", "outcome": "refuse", "actions": [], "context": None, "context_missing": "it has ended"}
    text = "\n".join(drawn(ended, NOW))
    assert "tsk_1  decided (refuse)" in text
    assert "nothing to show: it has ended" in text
    assert "decide:" not in text
    assert "due " not in text
    assert row_of(ended, NOW).split()[4] == "-"


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-01-05T10:00:30Z", "in 30 s"),
        ("2026-01-05T12:59:59.9Z", "in 2 h"),
        ("2026-01-05T09:00:00Z", "1 h late"),
        ("2026-01-05T10:00:00Z", "0 s late"),
        ("2026-01-01T09:00:00Z", "4 d late"),
    ],
)
def test_times_are_told_from_now(moment: str, words: str) -> None:
    assert relative(moment, NOW) == words


@given(st.text(max_size=200))
def test_no_text_acts_on_a_terminal(text: str) -> None:
    shown = plain(text)
    assert all(each.isprintable() or each in "\n\t" for each in shown)
    assert text == shown or not text.isprintable()


@given(st.text(max_size=50))
def test_a_line_of_the_list_is_one_line(text: str) -> None:
    task = TASK | {"reasons": [{"rule": "r", "message": text}], "requester": {"id": text, "name": text}, "queue": text}
    assert len(row_of(task, NOW).splitlines()) == 1
