from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.records.timeline_words import clock, joined, pairs, printable


@given(st.text())
def test_what_a_person_wrote_takes_one_line_and_commands_no_terminal(text: str) -> None:
    shown = printable(text)
    assert (shown.isprintable(), "\n" in shown) == (True, False)
    assert "".join(shown.split()) == "".join(letter for letter in text if letter.isprintable() and not letter.isspace())


@pytest.mark.parametrize(
    ("value", "expected"),
    [({"a": 0.123456, "b": "x" * 20, "c": 3}, "a 0.1235, b xxxxxxxxxxxx, c 3"), (None, ""), (["a"], "")],
)
def test_an_object_is_told_in_short(value: Any, expected: str) -> None:
    assert pairs(value) == expected


def test_what_is_not_there_is_left_out() -> None:
    assert joined(", ", None, "a", "", 0) == "a, 0"
    assert (clock(0), printable(None)) == ("1970-01-01T00:00:00.000Z", "")
