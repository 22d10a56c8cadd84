"""Which folder a policy command means, and how its problems are told."""

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


@pytest.mark.parametrize("arguments", [("lint",), ("eval", "--hook", "answer", "--input", "-")])
def test_a_verdict_that_is_malformed_on_a_usual_input_is_a_problem_of_the_policy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--policies", folder(tmp_path, 'verdict := "allow"'), stdin="{}")
    assert result.exit_code != 0
    assert "intent.rego:3:12: verdict must be an object" in result.output


@pytest.mark.parametrize("arguments", [("test",), ("eval", "--hook", "intent", "--input", "-")])
def test_a_missing_folder_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--policies", str(tmp_path / "nowhere"), stdin="{}")
    assert result.exit_code == 2
    assert "there is no such policy folder" in result.output


def test_the_folder_is_that_of_the_config_which_may_lack_its_secrets(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("keys: {api_key_hash: file:nowhere}\npolicy: {path: rules}\n")
    (tmp_path / "rules").mkdir()
    folder(tmp_path / "rules", a_test="package t\n\ntest_a if true\n")
    result = run("test", "--config", str(config))
    assert (result.exit_code, result.output) == (0, "1 passed, 0 failed\n")
