"""What is measured, and that the parts of the report mean what they say; how long things take is not asserted."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.capabilities.policy.bench import MIN_BATCHES, Bench, Cost, Measured, cost_of
from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.contract import samples
from gateway.capabilities.policy.loading import check
from gateway.domain import Hook
from tests.capabilities.policy.conftest import Write
from tests.stage import ROOT

ROUTES = """package gateway.intent

default verdict := {"outcome": "deny", "reasons": [{"rule": "routes.none", "message": "not this one"}]}

verdict := {"outcome": "allow"} if allowed(input.request.route)

allowed(route) if route in names

names := {"assistant"}

unused := 1
"""


def measured(write: Write, intent: str = ROUTES, **parts: Any) -> Measured:
    bundle = load_bundle(write({"intent.rego": intent}))
    return Bench(bundle, check(bundle), seconds=0.0).measure(Hook.INTENT, "mine", parts or samples(Hook.INTENT)["usual"])


def test_a_decision_is_measured_evaluated_and_remembered(write: Write) -> None:
    found = measured(write)
    assert (found.hook, found.sample, found.outcome, found.reasons) == (Hook.INTENT, "mine", "allow", [])
    assert found.input_bytes == len(b'{"request":{"route":"assistant"}}')
    assert found.remembered is not None
    assert found.asking is not None
    for cost in (found.evaluated, found.remembered, found.projection, found.asking):
        assert cost.median_us > 0
        assert cost.runs >= MIN_BATCHES


def test_every_rule_that_the_verdict_reaches_is_told_once_with_its_place(write: Write) -> None:
    found = measured(write)
    assert [(rule.rule, rule.file, rule.line) for rule in found.rules] == [
        ("gateway.intent.names", "intent.rego", 9),
        ("gateway.intent.verdict", "intent.rego", 3),
    ]
    assert all(rule.cost is not None and rule.cost.median_us >= 0 for rule in found.rules)


def test_a_refusal_is_told_with_its_reasons(write: Write) -> None:
    found = measured(write, request={"route": "other"})
    assert (found.outcome, found.reasons) == ("deny", ["routes.none"])


@pytest.mark.parametrize("reference", ["input.time", "input.request.messages", "input.intent.id"])
def test_what_is_never_remembered_is_told_so(write: Write, reference: str) -> None:
    found = measured(write, f'package gateway.intent\n\nverdict := {{"outcome": "allow"}} if {reference}\n')
    assert found.remembered is None
    assert found.as_json()["remembered"] is None


def test_an_input_that_is_too_long_to_be_remembered_is_none_that_is(write: Write) -> None:
    assert measured(write, request={"route": "x" * 20_000}).remembered is None


def test_a_rule_that_fails_has_no_figure_and_the_others_have(write: Write) -> None:
    rules = """package gateway.intent

verdict := {"outcome": "allow"} if both == 1

both := 1 if input.request.stream == false

both := 2 if input.request.route == "assistant"
"""
    found = measured(write, rules, request={"route": "assistant", "stream": False})
    assert (found.outcome, found.reasons) == ("deny", ["policy.error"])
    assert [(rule.rule, rule.cost) for rule in found.rules] == [("gateway.intent.both", None), ("gateway.intent.verdict", None)]


def test_an_input_that_the_gateway_would_refuse_is_measured_as_the_refusal_that_it_is(write: Write) -> None:
    found = measured(write, request={"route": ["x"] * 600})
    assert (found.outcome, found.reasons, found.remembered) == ("deny", ["policy.error"], None)


def test_an_input_that_the_engine_does_not_take_has_no_rules_to_measure(write: Write) -> None:
    deep: Any = "x"
    for _ in range(150):
        deep = [deep]
    found = measured(write, ROUTES.replace("input.request.route)", "input.request.params)"), request={"params": {"a": deep}})
    assert (found.outcome, found.reasons, found.asking, found.rules) == ("deny", ["policy.error"], None, [])
    assert found.as_json()["asking"] is None


def test_the_report_has_the_same_form_each_time(write: Write) -> None:
    forms = [_form(measured(write).as_json()) for _ in range(2)]
    assert forms[0] == forms[1]
    assert set(forms[0]) == {"hook", "sample", "outcome", "reasons", "input_bytes", "evaluated", "remembered", "projection", "asking", "rules"}


def test_the_shipped_policies_have_a_figure_for_every_rule() -> None:
    bundle = load_bundle(ROOT / "policies")
    bench = Bench(bundle, check(bundle), seconds=0.0)
    for hook in Hook:
        found = bench.measure(hook, "usual", samples(hook)["usual"])
        assert found.outcome == "allow"
        assert found.remembered is not None
        assert f"gateway.{hook}.verdict" in {rule.rule for rule in found.rules}
        assert all(rule.cost is not None for rule in found.rules)


def test_cost_above_a_floor_is_never_below_nothing() -> None:
    floor = Cost(median_us=5.0, p95_us=9.0, runs=1)
    assert Cost(median_us=7.0, p95_us=8.0, runs=3).less(floor) == Cost(median_us=2.0, p95_us=3.0, runs=3)
    assert Cost(median_us=4.0, p95_us=4.5, runs=3).less(floor) == Cost(median_us=0.0, p95_us=0.0, runs=3)


def test_what_is_fast_is_done_often_and_what_is_slow_a_few_times() -> None:
    done: list[int] = []
    fast = cost_of(lambda: done.append(1), 0.0)
    assert fast.runs > 1_000
    assert len(done) > fast.runs
    slow = cost_of(lambda: sum(range(200_000)), 0.0)
    assert slow.runs == MIN_BATCHES
    assert fast.median_us < slow.median_us
    assert slow.median_us <= slow.p95_us


def _form(value: Any) -> Any:
    """A report without its figures."""
    if isinstance(value, dict):
        return {name: _form(item) for name, item in value.items() if name != "runs"}
    if isinstance(value, list):
        return [_form(item) for item in value]
    return "a figure" if isinstance(value, float) else value
