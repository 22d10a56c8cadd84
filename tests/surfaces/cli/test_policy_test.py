"""``gateway policy test``: exit codes and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.surfaces.cli.policy import command

EXAMPLES = str(Path(__file__).parents[3] / "policies")
ALLOW = 'verdict := {"outcome": "allow"}'


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, arguments, input=stdin)


def folder(path: Path, intent: str = ALLOW, **more: str) -> str:
    (path / "intent.rego").write_text(f"package gateway.intent\n\n{intent}\n")
    (path / "answer.rego").write_text(f"package gateway.answer\n\n{ALLOW}\n")
    for name, text in more.items():
        (path / f"{name}.rego").write_text(text)
    return str(path)


def test_the_tests_of_the_examples_pass() -> None:
    result = run("test", "--policies", EXAMPLES)
    assert result.exit_code == 0
    assert result.output.strip().endswith("passed, 0 failed")
    assert "PASS" not in result.output
    assert "PASS data.gateway.access_test.test_support_may_use_the_everyday_assistant" in run("test", "-v", "--policies", EXAMPLES).output


@pytest.mark.parametrize(("test", "said"), [("test_a if false", "FAIL data.t.test_a (a_test.rego:3"), ("no_test if true", "there are no tests")])
def test_a_failed_test_and_no_test_at_all_exit_1(tmp_path: Path, test: str, said: str) -> None:
    result = run("test", "--policies", folder(tmp_path, a_test=f"package t\n\n{test}\n"))
    assert result.exit_code == 1
    assert said in result.output


def test_coverage_is_shown_and_can_be_asked_for(tmp_path: Path) -> None:
    policies = folder(tmp_path, f"{ALLOW} if input.attempt == 0", a_test="package t\n\ntest_a if true\n")
    shown = run("test", "--coverage", "--policies", policies)
    assert shown.exit_code == 0
    assert "intent.rego      1    0.0 %  3" in shown.output
    short = run("test", "--fail-under", "50.5", "--policies", policies)
    assert short.exit_code == 1
    assert short.output.endswith("0.0 % of the lines are covered, and 50.5 % are asked for\n")
    assert run("test", "--fail-under", "95", "--policies", EXAMPLES).exit_code == 0


def test_programs_and_ci_get_reports_of_their_own(tmp_path: Path) -> None:
    junit = tmp_path / "report.xml"
    result = run("test", "--json", "--junit", str(junit), "--run", "limits_test", "--policies", EXAMPLES)
    told = json.loads(result.output)
    assert (told["failed"], told["engine"], "coverage" in told) == (0, "embedded", False)
    assert {test["file"] for test in told["tests"]} == {"limits_test.rego"}
    assert 'testsuite name="data.gateway.limits_test"' in junit.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--run", "("), "not a regular expression"),
        (("--junit", "/nowhere/at/all.xml"), "/nowhere/at/all.xml: cannot be written"),
        (("--engine", "opa"), "set OPA_BIN to its path"),
        (("--fail-under", "101"), "101"),
    ],
)
def test_what_cannot_be_done_exits_2(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str) -> None:
    monkeypatch.setenv("OPA_BIN", "/no/such/opa")
    result = run("test", *arguments, "--policies", EXAMPLES)
    assert result.exit_code == 2
    assert said in result.output


def test_no_test_of_that_name_exits_1() -> None:
    result = run("test", "--run", "nothing_like_it", "--policies", EXAMPLES)
    assert (result.exit_code, result.output.startswith("there are no tests")) == (1, True)
