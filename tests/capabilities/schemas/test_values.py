from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.schemas.model import OutOfSteps, Run
from gateway.capabilities.schemas.values import Values, all_differ, canonical, is_multiple


def run(steps: int = 10_000) -> Run:
    return Run(ValueError, steps)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (0, -0.0, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        ("\0" + "1", 1, False),
        (None, "null", False),
        ([1, {"a": 2, "b": 3}], [1.0, {"b": 3.0, "a": 2}], True),
        ([True], [1], False),
        ({"a": None}, {}, False),
        (2**64 - 1, float(2**64), False),
        (1e300, 1e300, True),
        ([], {}, False),
    ],
)
def test_values_are_equal_as_json_schema_has_it(one: Any, other: Any, equal: bool) -> None:
    assert (canonical(one) == canonical(other)) is equal
    assert all_differ([one, other], run()) is not equal
    assert Values([one]).has(other, run()) is equal


def test_comparing_large_values_is_paid_for() -> None:
    with pytest.raises(OutOfSteps):
        all_differ(["x" * 10_000, "y" * 10_000], run(100))
    with pytest.raises(OutOfSteps):
        Values([["x"]]).has(["x" * 10_000], run(100))
    assert not Values(["x"]).has(["x" * 10_000], run(0))


@pytest.mark.parametrize(
    ("value", "of", "whole"),
    [
        (19.99, 0.01, True),
        (0.3, 0.1, True),
        (0.0075, 0.0001, True),
        (19.999, 0.01, False),
        (1e308, 5e-324, True),
        (5e-324, 1e308, False),
        (2**64 - 1, 1e308, False),
        (2**64 - 1, 0.5, True),
        (7, 3, False),
        (-9, 3, True),
        (0, 1e-300, True),
        (4.0, 2, True),
    ],
)
def test_multiples_are_those_of_the_numbers_as_they_are_written(value: float, of: float, whole: bool) -> None:
    assert is_multiple(value, of) is whole


FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1)


@given(value=FINITE, of=FINITE.filter(lambda number: number > 0))
def test_asking_for_a_multiple_never_fails(value: float, of: float) -> None:
    assert is_multiple(value, of) in {True, False}


@given(times=st.integers(-(10**6), 10**6), cents=st.integers(1, 10**4))
def test_a_multiple_in_decimals_is_one(times: int, cents: int) -> None:
    of = Decimal(cents) / 100
    assert is_multiple(float(of * times), float(of))
