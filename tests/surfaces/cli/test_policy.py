"""``gateway policy``: exit codes and what is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def evaluated(policies: str, hook: str, document: Any) -> dict[str, Any]:
    result = run("eval", "--hook", hook, "--input", "-", "--policies", policies, stdin=json.dumps(document))
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.output)
    return told


def test_eval_prints_the_verdict_and_what_it_was_based_on() -> None:
    document = {"subject": {"tenant": "acme", "teams": ["support"], "id": "k"}, "request": {"route": "assistant"}}
    allowed = evaluated(EXAMPLES, "intent", document)
    assert allowed["outcome"] == "allow"
    assert allowed["obligations"]["max_tokens"] == 1024
    assert allowed["obligations"]["reveal"]["caller"] == []
    assert allowed["input"] == {"subject": {"tenant": "acme", "teams": ["support"]}, "request": {"route": "assistant"}}
    refused = evaluated(EXAMPLES, "intent", {**document, "request": {"route": "assistant-large"}})
    assert (refused["outcome"], refused["reasons"][0]["rule"], refused["obligations"]) == ("deny", "access.route", None)


def test_a_malformed_verdict_is_visible(tmp_path: Path) -> None:
    for_acme = 'verdict := {"outcome": "allow", "obligations": {"max_tokens": input.subject.id == "k"}} if input.subject.id == "k"'
    told = evaluated(folder(tmp_path, for_acme), "intent", {"subject": {"id": "k"}})
    assert told["outcome"] == "deny"
    assert told["reasons"] == [{"rule": "policy.malformed", "message": "obligations.max_tokens must be a whole number from 1 to 100000000"}]


@pytest.mark.parametrize("arguments", [("lint",), ("eval", "--hook", "answer", "--input", "-")])
def test_a_verdict_that_is_malformed_on_a_usual_input_is_a_problem_of_the_policy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--policies", folder(tmp_path, 'verdict := "allow"'), stdin="{}")
    assert result.exit_code != 0
    assert "intent.rego:3:1: the intent verdict for the usual sample input is malformed: the verdict must be an object" in result.output


def test_eval_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"intent_verdict": {"outcome": "allow"}}')
    result = run("eval", "--hook", "answer", "--input", str(file), "--policies", EXAMPLES)
    assert json.loads(result.output)["outcome"] == "allow"


@pytest.mark.parametrize(("stdin", "said"), [('{"a": ', "not JSON"), ("[]", "must be an object")])
def test_bad_input_exits_2_with_one_line(stdin: str, said: str) -> None:
    result = run("eval", "--hook", "intent", "--input", "-", "--policies", EXAMPLES, stdin=stdin)
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["lint", "check"])
def test_lint_names_each_problem_with_its_place(tmp_path: Path, name: str) -> None:
    assert run(name, "--policies", EXAMPLES).exit_code == 0
    result = run(name, "--policies", folder(tmp_path, f"{ALLOW} if input.subjct.id\n\nx := time.now_ns()"))
    assert result.exit_code == 1
    assert "intent.rego:3:" in result.output
    assert "did you mean subject?" in result.output
    assert "intent.rego:5:" in result.output


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
