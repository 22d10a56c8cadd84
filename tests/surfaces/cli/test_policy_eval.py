"""``gateway policy eval``: exit codes and what is printed."""

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
