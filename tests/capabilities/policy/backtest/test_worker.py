from __future__ import annotations

import pytest

from gateway.capabilities.policy.backtest.tally import Tally
from gateway.capabilities.policy.backtest.worker import Replay
from tests.capabilities.policy.backtest.test_crew import batch, order
from tests.capabilities.policy.backtest.test_recorded import ALLOW, denied, stored

QUOTES = """package gateway.intent

verdict := {"outcome": "deny", "reasons": [{"rule": sprintf("of %v", [input.request.route]), "message": "m"}]}
"""


def replayed(source: str, records: int = 1) -> Tally:
    tally = Tally()
    replay = Replay(order(source))
    for raw in batch(1, records):
        replay.record(raw, tally)
    return tally


def test_a_rule_name_made_of_content_is_shown_nowhere() -> None:
    tally = replayed(QUOTES)
    assert tally.by["rule", "newly_denied", "(computed)"] == 1
    assert "of assistant" not in repr(tally)


@pytest.mark.parametrize("broken", ["verdict := 7", 'verdict := {"outcome": "maybe"}', 'verdict := {"outcome": "allow"} if input.nothing'])
def test_a_candidate_without_a_usable_verdict_refuses_as_it_would_live(broken: str) -> None:
    tally = replayed(f"package gateway.intent\n\n{broken}\n")
    (name,) = (name for dimension, _, name in tally.by if dimension == "rule")
    assert name in {"policy.malformed", "policy.undefined"}
    assert tally.kinds["newly_denied"] == 1


def test_the_same_input_is_evaluated_once() -> None:
    tally = replayed('package gateway.intent\n\nverdict := {"outcome": "allow"} if input.request.route\n', 50)
    assert (tally.kinds["unchanged"], tally.evaluated) == (50, 1)


def test_what_has_a_problem_is_set_apart_and_the_rest_goes_on() -> None:
    tally, replay = Tally(), Replay(order('package gateway.intent\n\nverdict := {"outcome": "allow"}\n'))
    (good,) = batch(1, 1)
    for opened in (stored({"decision": ALLOW}, salted=False), stored({"decision": denied("policy.timeout")}), good.opened):
        replay.record(good._replace(opened=opened), tally)
    assert (tally.apart, tally.kinds) == ({"erased": 1, "not_by_policy": 1}, {"unchanged": 1})
