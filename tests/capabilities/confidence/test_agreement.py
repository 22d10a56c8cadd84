import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.confidence.agreement import MOST_LEAVES, MOST_TOKENS, agreement

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
ANSWERS = st.text(max_size=30) | VALUES.map(json.dumps) | st.sampled_from(["", "{", "[1", "42", "42.0", "1e999", "-", '"x"'])
PROSE = "the quick brown fox jumps over the lazy dog"


@pytest.mark.parametrize(
    ("answers", "expected", "index"),
    [
        (["Paris", "Paris"], 1.0, 0),
        (["Paris.", "  paris!"], 1.0, 0),
        (["Paris", "London"], 0.0, 0),
        (["Paris", "London", "London"], 0.5, 1),
        (["42", "42.0"], 1.0, 0),
        (["1", "true"], 0.0, 0),
        (["It is 42", "It is 43"], 0.0, 0),
        (["It is 1,200 dollars", "It is 1,200 euros"], 0.75, 0),
        (["In 2019 it was 5", "It was 5"], 2 / 3, 0),
        (['{"a": 1, "b": "x"}', '{"b": "X", "a": 1.0}'], 1.0, 0),
        (['{"a": 1, "b": 2}', '{"a": 1, "b": 3}'], 0.5, 0),
        (['{"a": 1}', '{"a": true}'], 0.0, 0),
        (['{"a": null}', '{"a": false}'], 0.0, 0),
        (['{"a": []}', '{"a": {}}'], 0.0, 0),
        (["[1, 2]", "[2, 1]"], 0.0, 0),
        (["{}", "{}"], 1.0, 0),
        (['{"a": 1}', '{"a": 1, "b": 2, "c": 3}'], 0.5, 0),
        (['{"city": "New York"}', '{"city": "New Jersey"}'], 0.0, 0),
        ([json.dumps({"s": PROSE}), json.dumps({"s": PROSE + " twice"})], 18 / 19, 0),
        (['{"a": 1, "confidence": 0.9}', '{"a": 1, "confidence": 0.7}'], 1.0, 0),
        (['{"confidence": 0.9}', '{"confidence": 0.7}'], 0.0, 0),
        (['{"a": 1}', "a is 1"], 0.8, 0),
        (["", ""], 1.0, 0),
        (["", "x"], 0.0, 0),
        (["!?", "!?"], 1.0, 0),
        (["\u6771\u4eac", "\u6771\u4eac"], 1.0, 0),
    ],
)
def test_how_far_answers_agree(answers: list[str], expected: float, index: int) -> None:
    value, best = agreement(answers)
    assert value == pytest.approx(expected)
    assert best == index


def test_one_answer_agrees_with_nothing_and_none_is_an_error() -> None:
    assert agreement(["x"]) == (None, 0)
    with pytest.raises(ValueError, match="needs an answer"):
        agreement([])


@given(st.lists(ANSWERS, min_size=2, max_size=5))
def test_agreement_is_in_bounds_and_names_the_first_of_the_best(answers: list[str]) -> None:
    value, index = agreement(answers)
    assert value is not None
    assert 0 <= value <= 1
    assert answers.index(answers[index]) == index


@given(st.lists(ANSWERS, min_size=2, max_size=5), st.randoms())
def test_the_order_of_the_answers_does_not_matter(answers: list[str], randoms: Any) -> None:
    shuffled = list(answers)
    randoms.shuffle(shuffled)
    assert agreement(shuffled)[0] == pytest.approx(agreement(answers)[0])


@given(ANSWERS, st.integers(2, 6))
def test_equal_answers_agree_fully(answer: str, count: int) -> None:
    assert agreement([answer] * count) == (1.0, 0)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert agreement([json.dumps(value), json.dumps(dict(reversed(value.items())), indent=2)]) == (1.0, 0)


def test_of_large_answers_only_the_beginning_is_compared() -> None:
    words = " ".join(f"w{at}" for at in range(MOST_TOKENS))
    assert agreement([words + " one", words + " another"]) == (1.0, 0)
    leaves = {f"k{at:05}": at for at in range(MOST_LEAVES)}
    assert agreement([json.dumps(leaves | {"z": 1}), json.dumps(leaves | {"z": 2})]) == (1.0, 0)
    assert agreement([json.dumps(["x" * 200_000]), json.dumps(["x" * 200_000, 1])]) == (1.0, 0)


def test_a_document_nested_too_deeply_is_compared_as_a_text() -> None:
    deep = "[" * 5_000 + "1" + "]" * 5_000
    assert agreement([deep, deep]) == (1.0, 0)
