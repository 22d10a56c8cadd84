"""Cue words near a candidate."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.cues import Cues, after, before

CUES = Cues(("ssn", "social security", "전화"))


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("my SSN: ", True),
        ("userSsn=", True),
        ("SSNs ", True),
        ("Social-Security no ", True),
        ("lessn ", False),
        ("social ", False),
        ("제전화는 ", True),
        ("ssn" + " " * 50, False),
    ],
)
def test_a_cue_counts_as_a_word_of_its_own_within_48_characters(text: str, near: bool) -> None:
    assert CUES.near(before(text, len(text))) is near


@pytest.mark.parametrize(
    ("text", "near", "complete"), [(" is my ssn", True, False), (" is my ssn ......", True, True), ("\nssn", False, True), ("...............ssn", False, True)]
)
def test_after_a_value_it_counts_within_16_characters_of_the_same_line(text: str, near: bool, complete: bool) -> None:
    context, all_there = after(text, 0)
    assert (CUES.near(context), all_there) == (near, complete)
