"""What can be told of a verdict without evaluating it."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.lint_verdict import branches, check_shape
from gateway.capabilities.policy.syntax import Program
from gateway.capabilities.policy.verdict import VerdictError, parse
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine


def program_of(rules: str) -> Program:
    return Program(EmbeddedEngine({"intent.rego": f"package gateway.intent\n\n{rules}\n"}, "{}").ast())


def test_every_way_to_a_value_is_a_branch() -> None:
    program = program_of("default v := 0\n\nv := 1 if { input.a; input.b } else := 2 if input.c\n\nw := 3\n\ns contains 4 if input.a\n\nb if input.a")
    found = [
        (branch.value["Number"]["value"] if branch.value else True, len(branch.conditions), branch.is_default)
        for rule in program.modules[0].rules
        for branch in branches(rule)
    ]
    assert found == [(0, 0, True), (1, 2, False), (2, 1, False), (3, 0, False), (4, 1, False), (True, 1, False)]


SCALARS = st.none() | st.booleans() | st.integers(-1, 10**9) | st.sampled_from(["allow", "deny", "", "SECRET", "EMAIL_ADDRESS", "email", "a/b", "x" * 101])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["model", "rule", "message", "a"]), inner, max_size=2), max_leaves=4
)
VERDICTS = st.dictionaries(st.sampled_from(["outcome", "reasons", "outcom"]), VALUES, max_size=2).flatmap(
    lambda base: st.builds(
        lambda outcome, obligations: {"outcome": outcome, **base, "obligations": obligations},
        st.sampled_from(["allow", "deny"]),
        st.dictionaries(st.sampled_from(["reveal", "max_tokens", "routes", "labels", "allow_unscanned", "other"]), VALUES, max_size=2),
    )
)


@given(VERDICTS)
def test_a_literal_verdict_is_refused_as_its_parser_would(verdict: dict[str, Any]) -> None:
    problems = [problem for problem in check_shape(program_of(f"verdict := {orjson.dumps(verdict).decode()}"), Hook.INTENT) if not problem.warning]
    try:
        parse(verdict)
    except VerdictError:
        assert problems
    else:
        assert problems == []


def test_rules_that_name_themselves_are_looked_at_once() -> None:
    rules = 'verdict := {"outcome": "deny", "reasons": r, "obligations": o}\n\nr contains r\n\no := {"labels": o}\n'
    assert [problem.what for problem in check_shape(program_of(rules), Hook.INTENT)] == ["verdict.obligations.labels.labels must be a string"]
