from __future__ import annotations

import pytest

from gateway.capabilities.policy.backtest.names import COMPUTED, Names

NAMES = Names(['rule := "access.team"', 'other := "with \\"quotes\\""', "raw := `a\\b`", '{"rules": ["from.data"]}'])


@pytest.mark.parametrize("name", ["access.team", 'with "quotes"', "a\\b", "from.data", "policy.route"])
def test_a_name_that_stands_in_the_policy_is_shown(name: str) -> None:
    assert NAMES.shown(name) == name


@pytest.mark.parametrize("name", ["access", "team", "", "john.roe@example.com", "access.team\n", "rule"])
def test_any_other_name_may_hold_content_and_is_not(name: str) -> None:
    assert NAMES.shown(name) == COMPUTED
    assert NAMES.shown(name) == COMPUTED
