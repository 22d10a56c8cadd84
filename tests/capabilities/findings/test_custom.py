"""Tenants' patterns and words."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner


def found(options: ScanOptions, text: str) -> list[tuple[str, str]]:
    return [(finding.category, text[finding.start : finding.end]) for finding in Scanner(options).scan(text)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Bluebird and BLUEBIRD", ["Bluebird", "BLUEBIRD"]),
        ("bluebirds, abluebird, blue_bluebird", []),
        ("the red falcon, red\n falcon, redfalcon", ["red falcon", "red\n falcon"]),
        ("in Zürich (zürich) Zürichs", ["Zürich", "zürich"]),
        ("c++ and C++11", ["c++"]),
    ],
)
def test_words_are_found_whatever_their_case_and_by_themselves(text: str, values: list[str]) -> None:
    assert found(ScanOptions(words={"PROJECT": ("bluebird", "red falcon", "Zürich", "C++")}), text) == [("PROJECT", value) for value in values]


def test_a_pattern_wins_over_what_starts_at_the_same_place() -> None:
    assert found(ScanOptions(patterns={"MEMBER": r"[0-9]{3}-[0-9]{2}-[0-9]{4}"}), "id 078-05-1123") == [("MEMBER", "078-05-1123")]


def test_an_unbounded_repeat_is_read_as_sixty_four_at_most() -> None:
    text = "ID" + "7" * 100
    assert [len(value) for _, value in found(ScanOptions(patterns={"A": "ID[0-9]+"}), text)] == [66]


def test_offsets_stay_right_behind_characters_of_several_bytes() -> None:
    assert found(ScanOptions(patterns={"A": "E-[0-9]{3}"}), "\U0001f600\ud800é E-123") == [("A", "E-123")]


def test_a_pattern_that_would_hang_a_backtracking_engine_is_harmless() -> None:
    assert found(ScanOptions(patterns={"A": "(a?){20}(aa?){20}b"}), "a" * 5000) == []
