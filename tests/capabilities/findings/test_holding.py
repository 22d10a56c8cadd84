"""What must wait at the end of a stream."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.holding import lexical_hold, word_hold
from gateway.capabilities.findings.text_view import view_of


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("hello wor", "wor"),
        ("hello world ", ""),
        ("call 415 555 ", "415 555 "),
        ("call 415 555 01", "415 555 01"),
        ("in 2017 people", "people"),
        ("paying AB ", "AB "),
        ("GB82 WEST 12", "GB82 WEST 12"),
        ("12 34\n", ""),
        ("x" * 1000, "x" * 320),
    ],
)
def test_the_open_token_waits_and_the_numbers_that_join_it(text: str, held: str) -> None:
    view = view_of(text)
    hold = lexical_hold(view.cls, view.data)
    assert text[hold:] == held


@pytest.mark.parametrize(("text", "held"), [("the red", "red"), ("the red ", "red "), ("the red falcon", "red falcon"), ("the bored", ""), ("the blue", "")])
def test_the_beginning_of_a_word_waits(text: str, held: str) -> None:
    prefixes = frozenset("red falcon"[:size] for size in range(1, 11))
    assert text[word_hold(text, prefixes, 12) :] == held
