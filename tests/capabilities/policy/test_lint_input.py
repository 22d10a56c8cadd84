"""Paths of the input are judged as the schemas judge values; ``test_lint_rules`` has what is said about them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.contract import samples
from gateway.capabilities.policy.lint_input import InputLint
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine


def lint_of(condition: str, *hooks: Hook) -> InputLint:
    program = Program(EmbeddedEngine({"a.rego": f"package a\n\nv if {condition}\n"}, "{}").ast())
    return InputLint(program, program.modules[0].rules[0], hooks)


def paths(value: Any, path: str = "input") -> list[str]:
    """Every path that a value has, as Rego writes it."""
    below = [(f"{path}.{name}", item) for name, item in value.items()] if isinstance(value, dict) else []
    below += [(f"{path}[0]", item) for item in value[:1]] if isinstance(value, list) else []
    return [path, *(deeper for inner, item in below for deeper in paths(item, inner))]


@pytest.mark.parametrize("hook", list(Hook))
def test_whatever_a_sample_holds_may_be_referred_to(hook: Hook) -> None:
    for sample in samples(hook).values():
        for path in set(paths({**sample, "request": {**sample.get("request", {}), "messages": []}} if hook is Hook.INTENT else sample)):
            assert lint_of(f"{path} == 1", hook).problems() == [], path


@given(st.sampled_from(paths(samples(Hook.INTENT)["usual"])[1:]), st.text(alphabet="qz", min_size=2, max_size=4))
def test_one_wrong_step_in_a_closed_object_is_found(path: str, letters: str) -> None:
    start, _, last = path.rpartition(".")
    found = lint_of(f"{start}.{last.partition('[')[0]}{letters} == 1", Hook.INTENT).problems()
    is_open = any(part in start for part in ("params", "messages", "tools", "labels"))
    assert bool(found) is not is_open


def test_a_rule_that_two_hooks_reach_may_look_at_what_either_has() -> None:
    assert lint_of("input.answer.text", Hook.INTENT, Hook.ANSWER).problems() == []
    assert lint_of("input.answer.text").problems() == []
    assert [problem.rule for problem in lint_of("input.answer.text", Hook.INTENT).problems()] == ["input-unknown"]


@pytest.mark.parametrize(
    ("condition", "never"),
    [
        ('input.subject.kind == "robot"', True),
        ('input.subject.kind == "agent"', False),
        ('input.subject.kind != "robot"', False),
        ("input.attempt == true", True),
        ("input.answer.confidence == null", False),
        ("input.answer.confidence == 0.5", False),
        ('input.answer.confidence == "high"', True),
        ('input.request.params.x == "anything"', False),
        ("input.request.params == 1", True),
        ("input.unheard.of == 1", False),
        ("1 == 1", False),
        ('1 == "1"', True),
        ("1 == true", True),
    ],
)
def test_conditions_that_never_hold_are_told(condition: str, never: bool) -> None:
    lint = lint_of(condition)
    statement = lint._rule.node["Spec"]["bodies"][0]["query"]["stmts"][0]["literal"]
    assert (lint.never(statement) is not None) is never
