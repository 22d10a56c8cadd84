"""What is told to be clean has nothing that the look piece by piece would find, and leaves as it came."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.redaction.json_leaves import is_clean, leaves_as_it_is
from gateway.capabilities.redaction.json_pieces import JsonPieces
from gateway.capabilities.redaction.leaves import FINDINGS
from gateway.capabilities.redaction.pieces import Piece
from gateway.capabilities.redaction.placeholders import Vault
from gateway.capabilities.redaction.scanning import WholeSegments
from gateway.capabilities.redaction.views import Renderer, View
from gateway.domain import Destination, Finding, Obligations

KEYS = st.sampled_from(["ssn", "note", "", "canary", "a\nb", "k" * 200]) | st.text(max_size=3)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.integers(10**6, 10**9) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["canary", "078051120", "a canary sings", "\u00e9", "\\", 'say "x"', "\ud800", "\x7f", "</p>"]) | st.text(max_size=8)
)  # fmt: skip
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


def scan(text: str, *, key: str | None = None) -> tuple[Finding, ...]:
    if key == "ssn" and re.fullmatch("[0-9]{7,}", text):
        return (Finding("US_SSN", 0, len(text)),)
    return tuple(Finding("WORD", match.start(), match.end()) for match in re.finditer("canary", text))


def clean(text: str) -> bool:
    return is_clean(text, scan, scan)


def pieces(text: str) -> list[Piece]:
    stream = JsonPieces(lambda key: WholeSegments(scan, key), scan)
    return stream.push(text) + stream.finish()


def rendered(text: str) -> str:
    return Renderer(View(Vault(b"k", frozenset), Obligations(), Destination.CALLER), json=True).render(pieces(text))


def holds_up(text: str) -> bool:
    """Whether a text is told to be clean, which must then be so."""
    if not clean(text):
        return False
    assert not any(piece.kind in FINDINGS for piece in pieces(text))
    if leaves_as_it_is(text):
        assert rendered(text) == text
    return True


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_json_is_clean_if_and_only_if_nothing_is_found_piece_by_piece(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert holds_up(text) == (not any(piece.kind in FINDINGS for piece in pieces(text)))


@given(
    st.lists(
        st.sampled_from(['{"ssn":', '"canary"', '"', "0780511200", "[", "]", "}", ",", ":", '"note"', " ", "\\u0063anary", "NaN", "1e5", "-"]), max_size=12
    )
)
def test_what_is_put_together_at_random_is_never_clean_with_a_finding(parts: list[str]) -> None:
    text = "".join(parts)
    assert holds_up(text) in {True, False}


@pytest.mark.parametrize(
    "text",
    [
        '{"note": "canary", "note": "other"}',
        '{"ssn": ["x", ["078051120"]]}',
        '{"ssn": 78051120}',
        '{"ssn": {"canary": 1}}',
        '["\\u0063anary"]',
        '{"ssn": [7805112.0e0, "078051120"]}',
        "1" * 600,
    ],
)
def test_a_finding_is_seen_wherever_it_hides(text: str) -> None:
    assert not clean(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{'a': 1}", '["a\nb"]', "[1", "plain words", "", "[" * 100_000])
def test_what_is_no_json_is_left_to_others(text: str) -> None:
    assert not clean(text)


@pytest.mark.parametrize(("text", "same"), [('["a\\nb\\"\\\\"]', True), ('["\\/"]', False), ('["\\u00e9"]', False), ("[\n 1\n]", True), ('["\\ud800"]', False)])
def test_escapes_that_are_written_in_another_way_are_told(text: str, same: bool) -> None:
    assert (leaves_as_it_is(text), rendered(text) == text) == (same, same or text == '["\\ud800"]')
