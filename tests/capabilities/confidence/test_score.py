from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.confidence.score import Signals, score
from gateway.settings import ConfidenceWeights

WEIGHTS = ConfidenceWeights()
UNIT = st.floats(0, 1)
WEIGHT = st.one_of(st.floats(0, 1), st.floats(0, 100))
ANY_WEIGHTS = st.builds(ConfidenceWeights, **dict.fromkeys(ConfidenceWeights.__slots__, WEIGHT))
ANY_SIGNALS = st.builds(
    Signals,
    logprobs=st.none() | UNIT,
    agreement=st.none() | UNIT,
    schema_valid=st.none() | st.booleans(),
    repairs=st.integers(0, 100),
    self_reported=st.none() | UNIT,
    truncated=st.booleans(),
    refusal=st.booleans(),
    fallback=st.booleans(),
    tool_errors=st.integers(0, 100),
)


def having(signals: Signals, name: str, value: Any) -> Signals:
    """The same signals with another value of one of them."""
    changed: dict[str, Any] = {name: value}
    return replace(signals, **changed)


def scored(signals: Signals, weights: ConfidenceWeights = WEIGHTS) -> float:
    value = score(signals, weights)
    assert value is not None
    return value


@given(st.data(), ANY_SIGNALS, ANY_WEIGHTS, st.sampled_from(["logprobs", "agreement", "self_reported"]))
def test_more_evidence_for_an_answer_never_lowers_its_score(data: st.DataObject, signals: Signals, weights: ConfidenceWeights, name: str) -> None:
    less, more = sorted([data.draw(UNIT), data.draw(UNIT)])
    assert scored(having(signals, name, less), weights) <= scored(having(signals, name, more), weights)


@given(st.data(), ANY_SIGNALS, ANY_WEIGHTS, st.sampled_from(["repairs", "tool_errors"]))
def test_more_repairs_or_tool_errors_never_raise_it(data: st.DataObject, signals: Signals, weights: ConfidenceWeights, name: str) -> None:
    fewer, more = sorted([data.draw(st.integers(0, 200)), data.draw(st.integers(0, 200))])
    signals = replace(signals, agreement=signals.agreement or 0.5)
    assert scored(having(signals, name, more), weights) <= scored(having(signals, name, fewer), weights)


@given(ANY_SIGNALS, ANY_WEIGHTS, st.sampled_from(["truncated", "refusal", "fallback"]))
def test_what_speaks_against_an_answer_never_raises_it(signals: Signals, weights: ConfidenceWeights, name: str) -> None:
    signals = replace(signals, agreement=signals.agreement or 0.5)
    assert scored(having(signals, name, True), weights) <= scored(having(signals, name, False), weights)


@given(ANY_SIGNALS, ANY_WEIGHTS)
def test_meeting_the_schema_never_lowers_it(signals: Signals, weights: ConfidenceWeights) -> None:
    assert scored(replace(signals, schema_valid=False), weights) <= scored(replace(signals, schema_valid=True), weights)


@given(ANY_SIGNALS, ANY_WEIGHTS)
def test_it_is_in_bounds_and_there_just_where_a_signal_is(signals: Signals, weights: ConfidenceWeights) -> None:
    value = score(signals, weights)
    assert (value is None) == (signals.facts() == {})
    assert value is None or (0 <= value <= 1 and value == score(signals, weights))


@pytest.mark.parametrize("hostile", [float("nan"), float("inf"), float("-inf"), -1e308, 1e308, 10**400, -(10**400)])
@pytest.mark.parametrize("name", ["logprobs", "agreement", "self_reported"])
def test_numbers_that_no_signal_can_be_stay_in_bounds(name: str, hostile: float) -> None:
    assert 0 <= scored(having(Signals(), name, hostile)) <= 1


def test_a_signal_that_is_not_a_number_does_not_speak_for_an_answer() -> None:
    assert scored(Signals(agreement=float("nan"))) == scored(Signals(agreement=0.0))


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        (Signals(), None),
        (Signals(repairs=3), None),
        (Signals(agreement=1.0), 0.9),
        (Signals(agreement=0.5), 0.5),
        (Signals(agreement=0.0), 0.1),
        (Signals(schema_valid=True), 0.8333),
        (Signals(schema_valid=True, repairs=1), 0.5),
        (Signals(schema_valid=False), 0.1667),
        (Signals(logprobs=1.0, agreement=1.0, schema_valid=True, self_reported=1.0), 0.95),
        (Signals(truncated=True), 0.2),
        (Signals(refusal=True), 0.1),
        (Signals(fallback=True), 0.45),
        (Signals(tool_errors=1), 0.425),
        (Signals(tool_errors=10**9), 0.35),
        (Signals(agreement=1.0, truncated=True, refusal=True), 0.072),
    ],
)
def test_the_documented_formula(signals: Signals, expected: float | None) -> None:
    assert score(signals, WEIGHTS) == expected


def test_a_weight_of_zero_leaves_a_signal_out() -> None:
    without = ConfidenceWeights(agreement=0.0, refusal=0.0)
    assert scored(Signals(schema_valid=True, agreement=0.0, refusal=True), without) == scored(Signals(schema_valid=True), without)


def test_without_any_weight_every_answer_is_neutral() -> None:
    nothing = ConfidenceWeights(**dict.fromkeys(ConfidenceWeights.__slots__, 0.0))
    assert scored(Signals(logprobs=0.0, agreement=0.0, schema_valid=False, truncated=True, tool_errors=5), nothing) == 0.5


def test_a_penalty_of_great_weight_leaves_nothing() -> None:
    assert scored(Signals(agreement=1.0, refusal=True), ConfidenceWeights(refusal=100.0)) == 0


@pytest.mark.parametrize(
    ("signals", "facts"),
    [
        (Signals(), {}),
        (Signals(schema_valid=False), {"schema_valid": False, "repairs": 0}),
        (Signals(logprobs=0.0, agreement=0.0, self_reported=0.0), {"logprobs": 0.0, "agreement": 0.0, "self_reported": 0.0}),
        (Signals(truncated=True, refusal=True, fallback=True, tool_errors=2), {"truncated": True, "refusal": True, "fallback": True, "tool_errors": 2}),
    ],
)
def test_facts_are_only_what_is_a_signal(signals: Signals, facts: dict[str, Any]) -> None:
    assert signals.facts() == facts
    assert facts == {} or Signals(**facts) == signals
