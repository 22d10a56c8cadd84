"""The engines really differ where the lint says so."""

from __future__ import annotations

import pytest

from gateway.capabilities.policy.lint_calls import check_call, check_negation
from gateway.capabilities.policy.syntax import Program, walk
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine


def program_of(rule: str) -> Program:
    return Program(EmbeddedEngine({"a.rego": f"package a\n\n{rule}\n"}, "{}").ast())


def test_rust_s_digit_class_takes_in_other_scripts_as_go_s_does_not() -> None:
    rule = "v := regex.match(`^\\d$`, `٣`)"
    assert EmbeddedEngine({"a.rego": f"package a\n\n{rule}\n"}, "{}").evaluate("data.a.v", "{}") is True
    program = program_of(rule)
    calls = [node for node in walk(program.modules[0].rules[0].node) if "Call" in node]
    assert [problem.line for call in calls for problem in check_call(program.modules[0], call)] == [3]


@pytest.mark.parametrize(("rule", "problems"), [("v if not f(input.a)\n\nf(x) := x", 1), ("v if not f(1)\n\nf(x) := x", 0), ("v if not input.a.b", 0)])
def test_negation_is_looked_at_where_a_call_is_negated(rule: str, problems: int) -> None:
    program = program_of(rule)
    module = program.modules[0]
    negations = [node for node in walk(module.rules[0].node) if "NotExpr" in node]
    assert sum(len(list(check_negation(program, module, node))) for node in negations) == problems
