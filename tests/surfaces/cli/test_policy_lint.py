"""``gateway policy lint``: exit codes and what is printed."""

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


@pytest.mark.parametrize("name", ["lint", "check"])
def test_lint_names_each_problem_with_its_place(tmp_path: Path, name: str) -> None:
    assert run(name, "--policies", EXAMPLES).exit_code == 0
    result = run(name, "--policies", folder(tmp_path, f"{ALLOW} if input.subjct.id\n\nx := time.now_ns()"))
    assert result.exit_code == 1
    assert "intent.rego:3:" in result.output
    assert "did you mean input.subject?" in result.output
    assert "intent.rego:5:" in result.output


def test_a_warning_is_shown_and_fails_only_where_that_is_asked_for(tmp_path: Path) -> None:
    policies = folder(tmp_path, f"{ALLOW}\n\nidle := 1")
    result = run("lint", "--policies", policies)
    assert result.exit_code == 0
    assert "intent.rego:5:1: warning: no verdict and no test reaches the rule idle (use it, test it, or remove it)" in result.output
    assert "2 modules, 3 warnings, revision" in result.output
    assert run("lint", "--strict", "--policies", policies).exit_code == 1
    assert run("lint", "--strict", "--policies", EXAMPLES).exit_code == 0


def test_programs_get_every_part_of_a_finding(tmp_path: Path) -> None:
    policies = folder(tmp_path, f"{ALLOW} if input.subjct.id")
    result = run("lint", "--json", "--policies", policies)
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert (told["errors"], told["warnings"]) == (1, 0)
    assert told["findings"] == [
        {
            "rule": "input-unknown",
            "severity": "error",
            "file": "intent.rego",
            "line": 3,
            "col": 36,
            "message": "the input has no input.subjct",
            "rewrite": "did you mean input.subject?",
        }
    ]
    nothing = json.loads(run("lint", "--json", "--policies", EXAMPLES).output)
    assert (nothing["findings"], len(nothing["revision"])) == ([], 64)
    gone = json.loads(run("lint", "--json", "--policies", str(tmp_path / "nowhere")).output)
    assert gone["findings"][0]["rule"] == "load"


def test_a_policy_for_another_contract_does_not_load(tmp_path: Path) -> None:
    policies = folder(tmp_path)
    (tmp_path / "intent.rego").write_text(f"# METADATA\n# scope: package\n# custom:\n#   input: gateway.input/v2\npackage gateway.intent\n\n{ALLOW}\n")
    result = run("lint", "--policies", policies)
    assert result.exit_code == 1
    assert result.output.startswith("intent.rego:4:5: the policy is written for another contract than gateway.input/v1")
