"""What a pattern needs is told from its text, erring on the side of nothing."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.findings.pattern_needs import needs_of
from gateway.capabilities.findings.pattern_width import bounded

DIGITS = frozenset("0123456789")
PATTERNS = [
    (r"\bE-[0-9]{6}\b", (frozenset("-"), DIGITS)),
    (r"TK[0-9]+x*", (DIGITS,)),
    (r"(?i)e-\d{3}", ()),
    (r"X-(?:a|b)\d", ()),
    (r"X-(?:ab)\d", (frozenset("-"),)),
    (r"X-?\d{0,3}#", (frozenset("#"),)),
    (r"\d*x", ()),
    (r"\Q1-2\E", ()),
    (r"a\.b", (frozenset("."),)),
    (r"[^0-9]-", ()),
    (r"ab\?", ()),
    (r"#{0,2}@{1,2}", (frozenset("@"),)),
    (r"x{0}1", (frozenset("1"),)),
    ("", ()),
]


@pytest.mark.parametrize(("pattern", "needs"), PATTERNS)
def test_a_pattern_needs_the_signs_and_digits_of_its_plain_beginning(pattern: str, needs: tuple[frozenset[str], ...]) -> None:
    assert needs_of(pattern) == needs


@given(st.sampled_from([pattern for pattern, needs in PATTERNS if needs]), st.text(alphabet="EeTKXab012345-#@.?x", max_size=30))
def test_no_match_lacks_what_its_pattern_needs(pattern: str, text: str) -> None:
    limited, _ = bounded(pattern)
    found = [match.group() for match in re2.compile(limited).finditer(text)]
    assert all(need & set(match) for match in found for need in needs_of(limited))
