"""``gateway policy bench``: what is printed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.surfaces.cli.policy import command

EXAMPLES = str(Path(__file__).parents[3] / "policies")
INPUT = '{"subject": {"tenant": "acme", "teams": ["support"]}, "request": {"route": "assistant"}}'


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, ["bench", "--seconds", "0.001", *arguments], input=stdin)


def test_both_hooks_are_measured_on_a_usual_and_a_large_input() -> None:
    result = run("--json", "--policies", EXAMPLES)
    told = orjson.loads(result.stdout)
    assert (result.exit_code, told["engine"], told["unit"], len(told["revision"])) == (0, "embedded", "us of CPU", 64)
    assert [(one["hook"], one["sample"], one["outcome"]) for one in told["measured"]] == [
        ("intent", "usual", "allow"),
        ("intent", "large", "allow"),
        ("answer", "usual", "allow"),
        ("answer", "large", "allow"),
    ]
    assert [one["remembered"] is None for one in told["measured"]] == [False, True, False, True]


def test_the_table_names_every_rule_with_its_place() -> None:
    result = run("--policies", EXAMPLES, "--hook", "intent", "--input", "-", stdin=INPUT)
    assert result.exit_code == 0
    assert "intent, the input: allow, " in result.stdout
    for said in ("a decision that is evaluated", "making the input", "a decision that is remembered", "gateway.limits.cap  limits.rego:", "do not add up"):
        assert said in result.stdout


def test_a_decision_that_is_never_remembered_and_a_rule_that_fails_are_told(tmp_path: Path) -> None:
    (tmp_path / "answer.rego").write_text('package gateway.answer\n\nverdict := {"outcome": "allow"}\n')
    (tmp_path / "intent.rego").write_text(
        'package gateway.intent\n\nverdict := {"outcome": "allow"} if odd == 1\n\nodd := 1 if input.time\n\nodd := 2 if input.request.route == "odd"\n'
    )
    result = run("--policies", str(tmp_path), "--hook", "intent", "--input", "-", stdin='{"time": "2026-01-01T00:00:00Z", "request": {"route": "odd"}}')
    assert result.exit_code == 0
    assert "deny (policy.error)" in result.stdout
    assert "a decision like this is never remembered" in result.stdout
    assert "fails on this input" in result.stdout


def test_an_input_that_the_engine_does_not_take_is_told() -> None:
    tools = "[" * 150 + "]" * 150
    result = run("--policies", EXAMPLES, "--hook", "intent", "--input", "-", stdin=f'{{"request": {{"tools": [{tools}]}}}}')
    assert result.exit_code == 0
    assert "deny (policy.error)" in result.stdout
    assert "the engine does not take this input" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["--input", "-"], INPUT, "--input needs --hook intent or --hook answer"),
        (["--hook", "intent", "--input", "-"], "{", "the input:1:2: not JSON"),
        (["--hook", "intent", "--input", "-"], "[]", "the input must be an object with the sections of the contract"),
        (["--hook", "intent", "--input", "-"], " " * 16_777_217, "the input is longer than 16 MB"),
        (["--policies", "/no/such/folder"], "", "/no/such/folder"),
        (["--hook", "tool"], "", "'tool' is not one of"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_what_it_is(arguments: list[str], stdin: str, said: str) -> None:
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 2
    assert said in result.output


def test_a_policy_that_must_not_go_live_is_not_measured(tmp_path: Path) -> None:
    (tmp_path / "intent.rego").write_text('package gateway.intent\n\nverdict := {"outcome": "allow"} if time.now_ns() > 1\n')
    result = run("--policies", str(tmp_path))
    assert result.exit_code == 2
    assert "intent.rego:3:" in result.output
