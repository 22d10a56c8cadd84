"""Authors' tests run as `opa test` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.capabilities.policy.author_tests import run_tests
from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.problems import PolicyError
from tests.capabilities.policy.conftest import Write

EXAMPLES = Path(__file__).parents[3] / "policies"
TESTS = """package gateway.intent_test

import data.gateway.intent

test_passes if intent.verdict.outcome == "allow"

test_fails if intent.verdict.outcome == "deny"

test_faults if 1 / 0 == 1

test_is_not_true := 1

test_prints if print("seen")

todo_test_later if false

helper_is_no_test if false
"""


def test_each_test_is_evaluated_and_a_failure_says_why(write: Write) -> None:
    outcomes = {outcome.name.rsplit(".", 1)[1]: outcome for outcome in run_tests(load_bundle(write({"intent_test.rego": TESTS})))}
    assert {name: outcome.passed for name, outcome in outcomes.items()} == {
        "test_passes": True,
        "test_fails": False,
        "test_faults": False,
        "test_is_not_true": False,
        "test_prints": True,
    }
    assert outcomes["test_fails"].why == "a condition does not hold"
    assert outcomes["test_faults"].why.startswith("intent_test.rego:9: divide by zero")
    assert (outcomes["test_fails"].file, outcomes["test_fails"].line) == ("intent_test.rego", 7)
    assert "seen" in outcomes["test_prints"].prints[0]


def test_the_tests_of_the_example_policies_pass() -> None:
    outcomes = run_tests(load_bundle(EXAMPLES))
    assert len(outcomes) >= 30
    assert [outcome.name for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("package a_test\n\ntest_a if {", "a_test.rego:3"),
        ("package a_test\n\ntest_a if true\n\ntest_a if false\n", "two tests test_a"),
        ("package a_test\n\ntest_a if { numbers.range(1, 9000)[_] == numbers.range(1, 9000)[_]; false }\n", "took longer"),
    ],
)
def test_tests_that_cannot_be_run_are_named(write: Write, text: str, what: str) -> None:
    with pytest.raises(PolicyError) as caught:
        run_tests(load_bundle(write({"a_test.rego": text})), limit_s=1.5)
    assert what in str(caught.value)
