from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pytest

from gateway.capabilities.policy.backtest.report import FORMAT, as_json
from gateway.capabilities.policy.backtest.tally import Tally
from tests.capabilities.policy.backtest.outcomes import outcome


def test_the_report_is_plain_json_of_a_known_form() -> None:
    report = as_json(outcome())
    assert orjson.loads(orjson.dumps(report)) == report
    assert report["format"] == FORMAT == "gateway.backtest/v1"
    assert report["replayed"] == sum(found["count"] for found in report["outcomes"].values()) == 21
    assert report["not_replayable"]["count"] == sum(found["count"] for found in report["not_replayable"]["reasons"].values()) == 9
    assert report["decisions"] == 30
    assert report["not_replayable"]["missing_paths"] == {"request.tokens_estimate": 1}
    assert report["outcomes"]["newly_denied"]["share"] == pytest.approx(3 / 21, abs=1e-6)
    assert report["outcomes"]["newly_denied"]["by_rule"] == {"access.team": 3}
    assert report["outcomes"]["changed_obligations"]["by_change"] == {"labels access.team": 3}
    assert "examples" not in report["outcomes"]["unchanged"]
    assert report["run"]["decisions_per_s"] == 15


def test_a_window_without_decisions_is_a_report_of_zeros() -> None:
    report = as_json(outcome(Tally()))
    assert (report["decisions"], report["replayed"], report["not_replayable"]["share"], report["cost"]["change_usd"]) == (0, 0, 0.0, 0.0)


def test_the_baseline_is_named() -> None:
    assert as_json(outcome())["baseline"] == {"recorded": True, "path": None, "revision": None}
    assert as_json(outcome(baseline=Path("old")))["baseline"] == {"recorded": False, "path": "old", "revision": "b" * 64}


@pytest.mark.parametrize(
    ("costs", "estimated"),
    [({100: 1}, 300), ({100: 1, 200: 1}, 300), ({100: 1, 200: 2}, 600), ({0: 5, 900: 4}, 0), ({1: 1, 2: 1, 3: 1}, 6)],
)
def test_an_intent_that_would_be_let_go_is_estimated_by_the_median_of_its_route(costs: dict[int, int], estimated: int) -> None:
    tally = Tally(
        costs=Counter({("assistant", cost): count for cost, count in costs.items()}), unpriced=Counter({"assistant": 3, "other": 2}), saved_microusd=50
    )
    found = as_json(outcome(tally))["cost"]
    assert found["added_estimated_usd"] == found["added_usd"] == pytest.approx(estimated / 1e6)
    assert found["change_usd"] == pytest.approx((estimated - 50) / 1e6)
    assert found["newly_allowed_without_estimate"] == {"other": 2}
