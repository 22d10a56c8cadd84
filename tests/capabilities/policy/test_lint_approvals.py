"""An escalation is worth a word where nothing that decides looks at what people decided; ``test_lint_rules`` has its place and what to write."""

from __future__ import annotations

import pytest

from gateway.capabilities.policy.lint_approvals import advise_approvals
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine

ESCALATES = '{"outcome": "escalate"}'


def found(*rego: str, hook: Hook = Hook.INTENT) -> list[str]:
    modules = {f"{at}.rego": text for at, text in enumerate(rego)}
    return [problem.what for problem in advise_approvals(Program(EmbeddedEngine(modules, "{}").ast()), hook)]


@pytest.mark.parametrize(
    "rest",
    [
        f"verdict := {ESCALATES}",
        f"default verdict := {ESCALATES}",
        'verdict := {"outcome": outcome}\n\ndefault outcome := "allow"\n\noutcome := "escalate" if input.attempt == 1',
        f'verdict := {{"outcome": "allow"}} if input.attempt == 1\n\nelse := {ESCALATES}',
        f"verdict := {ESCALATES} if input.attempt == 1\n\nelsewhere := input.approvals",
    ],
)
def test_what_escalates_and_never_looks_is_told_once(rest: str) -> None:
    (what,) = found(f"package gateway.intent\n\n{rest}\n")
    assert "never looks at input.approvals" in what


@pytest.mark.parametrize(
    "rest",
    [
        'verdict := {"outcome": "allow"}',
        f"verdict := {ESCALATES} if input.approvals == []",
        f'verdict := {ESCALATES} if count(object.get(input, "approvals", [])) == 0',
        f"verdict := {ESCALATES} if count(input) > 3",
        f"import data.people\n\nverdict := {ESCALATES} if people.missing",
        'verdict := object.union({"outcome": "escalate"}, {})',
    ],
)
def test_what_looks_or_does_not_escalate_is_fine(rest: str) -> None:
    assert found(f"package gateway.intent\n\n{rest}\n", "package people\n\nmissing if not input.approvals[0]\n") == []


def test_each_hook_has_to_look_for_itself() -> None:
    looks = f"package gateway.intent\n\nverdict := {ESCALATES} if input.approvals == []\n"
    does_not = f"package gateway.answer\n\nverdict := {ESCALATES} if input.attempt == 1\n"
    assert found(looks, does_not) == []
    assert len(found(looks, does_not, hook=Hook.ANSWER)) == 1
