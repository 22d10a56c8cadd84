"""``gateway policy lint``: exit codes and what is printed."""

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


@pytest.mark.parametrize("name", ["lint", "check"])
def test_lint_names_each_problem_with_its_place(tmp_path: Path, name: str) -> None:
    assert run(name, "--policies", EXAMPLES).exit_code == 0
    result = run(name, "--policies", folder(tmp_path, f"{ALLOW} if input.subjct.id\n\nx := time.now_ns()"))
    assert result.exit_code == 1
    assert "intent.rego:3:" in result.output
    assert "did you mean input.subject?" in result.output
    assert "intent.rego:5:" in result.output
