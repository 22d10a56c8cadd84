"""Authors' tests in the real OPA come to what they come to in the embedded engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.capabilities.policy.author_tests import percent, report_tests
from gateway.capabilities.policy.author_tests_opa import report_tests_by_opa
from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.problems import PolicyError
from tests.capabilities.policy.conftest import Write
from tests.servers.opa_server import opa_binary

EXAMPLES = Path(__file__).parents[3] / "policies"
TESTS = """package gateway.intent_test

import data.gateway.intent

test_passes if intent.verdict.outcome == "allow"

test_fails if intent.verdict.outcome == "deny"

test_prints if print("seen")

todo_test_later if false
"""

needs_opa = pytest.mark.services


@pytest.fixture(autouse=True)
def opa(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("services"):
        opa_binary()


@needs_opa
def test_the_examples_pass_in_both_engines_and_cover_them() -> None:
    bundle = load_bundle(EXAMPLES)
    ours, theirs = report_tests(bundle, coverage=True), report_tests_by_opa(bundle, coverage=True)
    assert {(test.name, test.file, test.line, test.passed) for test in ours.tests} == {(test.name, test.file, test.line, test.passed) for test in theirs.tests}
    assert (ours.engine, theirs.engine) == ("embedded", "opa")
    for report in (ours, theirs):
        assert report.coverage is not None
        assert [file.file for file in report.coverage] == sorted(bundle.modules)
        assert percent(report.coverage) > 90  # OPA alone tells that a default is never needed


@needs_opa
def test_a_failure_a_print_and_a_test_that_is_left_out(write: Write) -> None:
    bundle = load_bundle(write({"intent_test.rego": TESTS}))
    tests = {test.name.rpartition(".")[2]: test for test in report_tests_by_opa(bundle).tests}
    assert {name: test.passed for name, test in tests.items()} == {"test_passes": True, "test_fails": False, "test_prints": True}
    assert tests["test_fails"].why == "a condition does not hold"
    assert tests["test_prints"].prints == ("seen",)
    assert tests["test_fails"].line == 7
    assert [test.name for test in report_tests_by_opa(bundle, run="intent_test.test_p").tests] == [
        test.name for test in report_tests(bundle, run=re.compile("intent_test.test_p")).tests
    ]


@needs_opa
@pytest.mark.parametrize("text", [None, "package a_test\n\nhelper := 1\n"])
def test_no_tests_are_no_error(write: Write, text: str | None) -> None:
    assert report_tests_by_opa(load_bundle(write({"a_test.rego": text}))).tests == ()


@needs_opa
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("package a_test\n\ntest_a if {", "a_test.rego:3"),
        ("package a_test\n\ntest_a if nothing.here\n", "nothing is unsafe"),
        ("package a_test\n\ntest_a if { numbers.range(1, 90000)[_] == numbers.range(1, 90000)[_]; false }\n", "took longer"),
    ],
)
def test_tests_that_cannot_be_run_are_named(write: Write, text: str, what: str) -> None:
    with pytest.raises(PolicyError) as caught:
        report_tests_by_opa(load_bundle(write({"a_test.rego": text})), limit_s=1.5)
    assert what in str(caught.value)


def test_without_opa_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPA_BIN", "/no/such/opa")
    with pytest.raises(PolicyError, match="set OPA_BIN to its path"):
        report_tests_by_opa(load_bundle(EXAMPLES))
