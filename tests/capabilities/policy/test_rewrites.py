"""What to write instead means the same to both engines, and to the author."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.contract import UNICODE_DEPENDENT_REGEX
from gateway.capabilities.policy.rewrites import ascii_pattern

PARTS = st.sampled_from(
    [r"\d", r"\w", r"\s", r"\D", r"\W", "a", "[0-9]", r"[\d.]", r"[^\s]", r"\.", r"\\", "(?:x)", "+", "*", "é", r"\b", "(?i)", r"[\W]", r"\["]
)


@pytest.mark.parametrize(
    ("pattern", "better"),
    [
        (r"^\d+$", "^[0-9]+$"),
        (r"[\d.]\W", "[0-9.][^0-9A-Za-z_]"),
        (r"\\d", r"\\d"),
        (r"\bword", None),
        ("(?i)word", None),
        (r"[\D]", None),
        ("é", None),
        ("\\", None),
    ],
)
def test_classes_are_written_out(pattern: str, better: str | None) -> None:
    assert ascii_pattern(pattern) == better


@given(st.lists(PARTS, max_size=6).map("".join), st.text(alphabet="a1 ._-xé\t[\\", max_size=8))
def test_a_rewritten_pattern_matches_what_it_did_in_ascii(pattern: str, text: str) -> None:
    better = ascii_pattern(pattern)
    try:
        wanted = re.compile(pattern, re.ASCII)
    except re.error:
        return
    if better is not None:
        assert not re.search(r"(?<!\\)(?:\\\\)*\\[dDwWsSbB]", better) or UNICODE_DEPENDENT_REGEX.search(better)
        assert bool(re.compile(better).search(text)) == bool(wanted.search(text))
