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


REFUSED = {"subject": {"tenant": "acme", "teams": ["support"]}, "request": {"route": "assistant-large"}}


def asked(*options: str, document: Any = REFUSED, policies: str = EXAMPLES) -> Result:
    return run(
        "eval", "--hook", "intent", "--input", "-", "--policies", policies, *options, stdin=document if isinstance(document, str) else json.dumps(document)
    )


def test_explain_says_which_rules_fired_and_where_the_others_stopped() -> None:
    lines = asked("--explain").output.splitlines()
    assert lines[0].startswith("deny  (intent hook, revision ")
    assert any("gateway.access.violations  stopped at access.rego:" in line and line.endswith(": known_teams == []") for line in lines)
    assert '  input.request.route = "assistant-large"' in lines
    told = json.loads(asked("--explain", "--json").output)
    assert {rule["status"] for rule in told["explanation"]["rules"]} == {"fired", "failed", "not_reached"}


def test_set_shows_the_outcome_before_and_after() -> None:
    lines = asked("--set", "request.route=assistant").output.splitlines()
    assert lines[0] == 'set request.route: "assistant-large" -> "assistant"'
    assert (lines[1], lines[2][:6], lines[4], lines[5][:7]) == ("before:", "  deny", "after:", "  allow")
    same = asked("--set", "subject.teams[0]=support", "--set", 'subject.teams[1]="sales"').output
    assert "after, the same outcome:" in same
    told = json.loads(asked("--set", "request.route=assistant", "--json").output)
    assert (told["before"]["outcome"], told["outcome"], told["set"][0]["to"]) == ("deny", "allow", "assistant")


def test_flip_finds_the_smallest_change() -> None:
    assert '  subject.teams[1]: nothing -> "research"' in asked("--flip").output.splitlines()
    assert json.loads(asked("--flip", "--json", "--set", "subject.tenant=initech").output)["flip"]["change"] is None


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("request.rout=x", "did you mean request.route?"),
        ("request.stream=maybe", "boolean"),
        ("subject.teams[5]=x", "the next one is [1]"),
        ("nonsense", "write PATH=VALUE"),
    ],
)
def test_a_change_that_the_contract_does_not_know_is_refused(option: str, said: str) -> None:
    refused = asked("--set", option)
    assert (refused.exit_code, said in refused.stderr) == (2, True)


@pytest.mark.parametrize("document", ["[" * 5_000, "[]", "{", '{"subject": ' + "[" * 900 + "]" * 900 + "}"])
def test_odd_input_is_refused_or_decided_and_never_breaks_the_command(document: str) -> None:
    result = asked("--explain", "--flip", document=document)
    assert result.exit_code in {0, 2}
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_too_long_an_input_is_refused() -> None:
    refused = asked(document=" " * 17_000_000)
    assert (refused.exit_code, "longer than 16 MB" in refused.stderr) == (2, True)
