"""Why a decision fell as it did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.explain import Explanation, Status, explain
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.rehearsal import Rehearsal
from gateway.domain import Hook

EXAMPLES = Path(__file__).parents[3] / "policies"
Write = Callable[..., Path]
ASKED = {"subject": {"tenant": "acme", "teams": ["support"]}, "request": {"route": "assistant-large"}}


def rehearsal(folder: Path, hook: Hook = Hook.INTENT) -> Rehearsal:
    bundle = load_bundle(folder)
    return Rehearsal(bundle, check(bundle), hook)


def why(folder: Path, document: Any) -> Explanation:
    return explain(rehearsal(folder), document)


def test_rules_that_fired_those_that_did_not_and_what_was_read() -> None:
    told = why(EXAMPLES, ASKED)
    assert told.decision.verdict.outcome == "deny"
    assert told.decision.duration_ns > 0
    fired = {rule.rule: rule.value for rule in told.of(Status.FIRED)}
    assert fired["gateway.access.known_teams"] == ["support"]
    assert fired["gateway.access.violations"][0]["rule"] == "access.route"
    failed = {rule.rule: rule.condition.text for rule in told.of(Status.FAILED) if rule.condition}
    assert failed["gateway.intent.verdict"] == "count(reasons) == 0"
    assert failed["gateway.access.violations"] == "known_teams == []"
    assert "gateway.limits.cap" in {rule.rule for rule in told.of(Status.NOT_REACHED)}
    assert [read.path for read in told.data] == ["data.teams"]
    assert {read.path: read.there for read in told.inputs} == {
        "input.approvals": False,
        "input.request.params.functions": False,
        "input.request.route": True,
        "input.request.tools": False,
        "input.subject.teams": True,
        "input.subject.tenant": True,
    }
    assert json.loads(json.dumps(told.as_json()))["notes"] == []


def test_a_default_fires_where_nothing_else_does(write: Write) -> None:
    folder = write(
        {"intent.rego": 'package gateway.intent\n\ndefault verdict := {"outcome": "deny"}\n\nverdict := {"outcome": "allow"} if input.request.stream\n'}
    )
    told = why(folder, {})
    assert [(rule.kind, rule.status) for rule in told.rules] == [("default", Status.FIRED), ("rule", Status.FAILED)]
    assert [(rule.kind, rule.status) for rule in why(folder, {"request": {"stream": True}}).rules] == [
        ("default", Status.NOT_REACHED),
        ("rule", Status.FIRED),
    ]


def test_a_head_that_is_undefined_is_where_a_rule_stopped(write: Write) -> None:
    verdict = 'verdict := {"outcome": "allow", "obligations": {"max_tokens": cap}} if input.request.stream == false'
    text = f'package gateway.intent\n\n{verdict}\n\ncap := 3 if input.request.route == "x"\n'
    told = why(write({"intent.rego": text}), {"request": {"stream": False, "route": "y"}})
    assert told.decision.verdict.reasons[0].rule == "policy.undefined"
    failed = {rule.rule: rule.condition.text for rule in told.of(Status.FAILED) if rule.condition}
    assert failed["gateway.intent.cap"] == 'input.request.route == "x"'
    assert failed["gateway.intent.verdict"].startswith('{"outcome"')


def test_a_policy_that_fails_says_where(write: Write) -> None:
    text = 'package gateway.intent\n\nverdict := {"outcome": "allow"} if input.request.tokens_estimate > sum(input.subject.teams)\n'
    told = why(write({"intent.rego": text}), {"request": {"tokens_estimate": 1}, "subject": {"teams": ["a"]}})
    assert told.decision.verdict.reasons[0].rule == "policy.error"
    assert "intent.rego:3" in told.notes[0]


@pytest.mark.parametrize(
    "document",
    [
        {"subject": {"tenant": "acme", "teams": ["support"] * 600}, "request": {"route": "assistant"}},
        {"subject": {"tenant": "acme", "teams": ["\ud800"]}, "request": {"route": "assistant"}},
    ],
)
def test_an_input_that_the_gateway_refuses_is_said_to_be_that(document: Any) -> None:
    told = why(EXAMPLES, document)
    assert told.decision.verdict.reasons[0].rule == "policy.error"
    assert told.rules == ()
    assert "refused the input itself" in told.notes[0]


def test_a_long_value_is_named_by_its_size() -> None:
    tools = [{"function": {"name": "look_up", "description": "x" * 9_000}}]
    told = why(EXAMPLES, {"subject": {"tenant": "acme", "teams": ["support"]}, "request": {"route": "assistant", "tools": tools}})
    shown = {read["path"]: read.get("value") for read in told.as_json()["inputs"]}
    assert str(shown["input.request.tools"]).startswith("not shown: 90")


def test_a_megabyte_of_input_and_deep_json_are_explained_or_refused_in_time() -> None:
    many = {"subject": {"tenant": "acme", "teams": ["support"]}, "request": {"route": "assistant", "tools": [{"function": {"name": "x" * 1_000_000}}]}}
    assert why(EXAMPLES, many).decision.verdict.outcome == "allow"
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    refused = why(EXAMPLES, {"subject": {"tenant": "acme", "teams": deep}, "request": {"route": "assistant"}})
    assert refused.decision.verdict.outcome == "deny"


def test_what_runs_too_long_is_killed(write: Write) -> None:
    body = "count([1 | some a in input.subject.teams; some b in input.subject.roles; contains(a, b)]) >= 0"
    folder = write({"intent.rego": f'package gateway.intent\n\nverdict := {{"outcome": "allow"}} if {body}\n'})
    names = [f"{'a' * 4_000}{at}" for at in range(500)]
    with pytest.raises(PolicyError, match=r"took longer than 0\.2 s"):
        explain(rehearsal(folder), {"subject": {"teams": names, "roles": [name[2:] + "b" for name in names]}}, limit_s=0.2)
