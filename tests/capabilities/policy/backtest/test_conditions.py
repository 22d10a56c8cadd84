from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.backtest.conditions import METRICS, ConditionError, parse_condition
from gateway.capabilities.policy.backtest.report import as_json
from tests.capabilities.policy.backtest.outcomes import outcome


def report(**changes: Any) -> dict[str, Any]:
    base = {
        "decisions": 220,
        "replayed": 200,
        "outcomes": {"newly_denied": {"count": 3}, "newly_allowed": {"count": 0}},
        "not_replayable": {"count": 20},
        "cost": {"change_usd": -0.5, "recorded_usd": 2.0},
        "human_load": {"per_day_before": 0.0, "per_day_after": 4.0},
    }
    return base | changes


@pytest.mark.parametrize(
    ("text", "value", "failed"),
    [
        ("new_denies > 2", 3, True),
        ("new_denies>3", 3, False),
        ("new_denies >= 3", 3, True),
        ("new_denies == 3", 3, True),
        ("new_denies != 3", 3, False),
        ("new_denies > 1%", 1.5, True),
        ("new_denies > 1.5 %", 1.5, False),
        ("  new_allows > 0% ", 0, False),
        ("not_replayable > 9%", 9.090909, True),
        ("replayed < 95%", 90.909091, True),
        ("decisions < 1000", 220, True),
        ("cost_change_usd > 0", -0.5, False),
        ("cost_change_usd < -20%", -25, True),
        ("escalations_per_day > 3.5", 4, True),
        ("escalations_per_day > 10%", None, True),
    ],
)
def test_a_condition_is_judged_by_its_figure(text: str, value: float | None, failed: bool) -> None:
    judged = parse_condition(text).judge(report())
    assert (judged["value"], judged["failed"], judged["condition"]) == (value, failed, text.strip())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write METRIC OP NUMBER"),
        ("new_denies", "write METRIC OP NUMBER"),
        ("new_denies > many", "write METRIC OP NUMBER"),
        ("new_denies => 1", "write METRIC OP NUMBER"),
        ("new_denies > 1 and new_allows > 1", "write METRIC OP NUMBER"),
        ("new_denys > 1", "there is no metric new_denys, did you mean new_denies?"),
        ("nonsense > 1", "metrics: new_denies, new_allows"),
        ("decisions > 5%", "no percentage"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert said in str(caught.value)
    assert repr(text) in str(caught.value)


@given(st.text(max_size=60) | st.sampled_from(sorted(METRICS)).map(lambda name: f"{name} >"))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(ConditionError):
        parse_condition(text)


@pytest.mark.parametrize(
    ("text", "judged"), [("new_denies > 0", False), ("unchanged < 5%", False), ("replayed < 1", True), ("decisions < 1", True), ("not_replayable > 1%", True)]
)
def test_where_nothing_was_replayed_only_that_can_be_judged(text: str, judged: bool) -> None:
    empty = report(decisions=0, replayed=0)
    if judged:
        assert parse_condition(text).judge(empty)["condition"] == text
    else:
        with pytest.raises(ConditionError, match="cannot be judged"):
            parse_condition(text).judge(empty)


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_metric_is_in_a_report(metric: str) -> None:
    assert isinstance(parse_condition(f"{metric} >= 0").judge(as_json(outcome()))["value"], float)
