"""``gateway policy test``: exit codes and what is printed."""

from __future__ import annotations

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
