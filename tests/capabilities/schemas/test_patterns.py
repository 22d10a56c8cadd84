from __future__ import annotations

import pytest

from gateway.capabilities.schemas.model import OutOfSteps, Run
from gateway.capabilities.schemas.patterns import Pattern, PatternError, PatternProperties, is_pattern


def run(steps: int = 10_000) -> Run:
    return Run(ValueError, steps)


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^\\d+$", "12", True),
        ("^\\d+$", "12\n", False),
        ("^\\d+$", "١٢", False),
        ("^.$", "é", True),
        ("^.$", "😀", True),
        ("^\\u00e9$", "é", True),
        ("^\\ud83d\\ude00$", "😀", True),
        ("^[\\u0400-\\u04ff]+$", "да", True),
        ("^\\\\u00e9$", "\\u00e9", True),
        ("a\\/b", "a/b", True),
        ("^\\p{L}+$", "é", True),
        ("", "x", True),
    ],
)
def test_a_pattern_is_searched_for_as_ecma_means_it(source: str, text: str, found: bool) -> None:
    assert Pattern(source).found_in(text, run()) is found


@pytest.mark.parametrize("source", ["(?=x)", "(?!x)", "(?<=x)y", r"(a)\1", "(", "[z-a]", "a{1001}", "((a{100}){100}){100}", "a" * 2_001])
def test_what_re2_cannot_run_is_said_without_quoting_the_pattern(source: str) -> None:
    with pytest.raises(PatternError) as told:
        Pattern(source)
    assert source not in str(told.value) or source == "("
    assert not is_pattern(source)


@pytest.mark.parametrize("source", ["^(a+)+$", "(a|a)*b", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_patterns_that_explode_elsewhere_are_quick(source: str) -> None:
    assert Pattern(source).found_in("a" * 100_000 + "!", run(100_000)) is False


def test_long_texts_cost_steps_by_the_size_of_the_pattern() -> None:
    with pytest.raises(OutOfSteps):
        Pattern("[ab]*a[ab]{900}c").found_in("ab" * 100_000, run())
    assert Pattern("c").found_in("ab" * 100_000, run()) is False


def test_the_schemas_for_a_property_are_those_of_all_patterns_that_it_matches() -> None:
    properties = PatternProperties({"^a": {"x": 1}, "b$": {"y": 1}}, [Pattern("^a"), Pattern("b$")])
    assert properties.matching("ab", run()) == [{"x": 1}, {"y": 1}]
    assert properties.matching("c", run()) == []
