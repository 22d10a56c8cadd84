"""The width of patterns."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.findings.pattern_width import UnsupportedPatternError, bounded

PARTS = st.sampled_from(["a", "[0-9]", "[^x]", r"\d", r"\bE", "(ab|c)", "(?:x|yy){2}", "z?", "q{2,3}", ".", r"\.", "[[:alpha:]]", r"\pL"])


@pytest.mark.parametrize(
    ("pattern", "text", "width"),
    [
        ("E-[0-9]{6}", "E-[0-9]{6,6}", 8),
        ("a|bcd", "a|bcd", 3),
        ("x+", "x{1,64}", 64),
        ("(ab?)*", "(ab{0,1}){0,64}", 128),
        (r"^\bfoo$", r"^\bfoo$", 3),
        (r"(?i)(?P<n>a)[]a]", r"(?i)(?P<n>a)[]a]", 2),
        (r"\Qa+b\E", r"\Qa+b\E", 3),
        ("a{3,}", "a{3,64}", 64),
        ("a*?b", "a{0,64}?b", 65),
        (r"\x{1F600}\x41", r"\x{1F600}\x41", 2),
    ],
)
def test_the_widest_match_is_told_and_repeats_are_bounded(pattern: str, text: str, width: int) -> None:
    assert bounded(pattern) == (text, width)


@pytest.mark.parametrize("pattern", ["a)", "(?#x)a"])
def test_syntax_that_is_not_understood_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        bounded(pattern)


@given(st.lists(PARTS, min_size=1, max_size=6), st.text(alphabet="abcxyzqE019. ", max_size=40))
def test_no_match_is_wider_than_told(parts: list[str], text: str) -> None:
    source, width = bounded("".join(parts))
    assert all(match.end() - match.start() <= width for match in re2.finditer(source, text))
