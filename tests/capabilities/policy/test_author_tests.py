"""Authors' tests run as `opa test` runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.capabilities.policy.author_tests import expression_lines, report_tests, run_tests
from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.syntax import Program
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine
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


def test_only_the_tests_that_are_asked_for_run_and_the_lines_that_none_evaluates_are_told(write: Write) -> None:
    intent = 'package gateway.intent\n\nverdict := {"outcome": "allow"} if {\n\tinput.subject.id == "k"\n\tinput.attempt == 0\n}\n\nother := 1\n'
    tests = (
        "package gateway.intent_test\n\nimport data.gateway.intent\n\n"
        'test_a if not intent.verdict with input as {"subject": {"id": "j"}}\n\ntest_b if intent.other == 1\n'
    )
    bundle = load_bundle(write({"intent.rego": intent, "intent_test.rego": tests}))
    report = report_tests(bundle, run=re.compile("test_a$"), coverage=True)
    assert [test.name for test in report.tests] == ["data.gateway.intent_test.test_a"]
    assert report.coverage is not None
    found = {file.file: (file.covered, file.missed, file.percent) for file in report.coverage}
    assert found["intent.rego"] == ((4, 8), (3, 5), 50.0)
    assert found.keys() == bundle.modules.keys()
    assert report_tests(bundle).coverage is None
    assert report_tests(bundle).failed == 0


def test_the_lines_of_a_module_that_nothing_evaluates_are_those_that_the_engine_would_count() -> None:
    bundle = load_bundle(EXAMPLES)
    report = report_tests(bundle, coverage=True)
    assert report.coverage is not None
    counted = {file.file: tuple(sorted((*file.covered, *file.missed))) for file in report.coverage}
    program = Program(EmbeddedEngine(bundle.modules, bundle.data_json).ast())
    assert {module.file: expression_lines(module) for module in program.modules} == counted
    nothing = report_tests(bundle, run=re.compile("disclosure_test.*secrets"), coverage=True)
    assert nothing.coverage is not None
    assert {file.file: file.missed for file in nothing.coverage} == counted
