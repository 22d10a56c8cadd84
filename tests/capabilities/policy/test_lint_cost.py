"""Nested iterations and circles."""

from __future__ import annotations

import pytest

from gateway.capabilities.policy.lint_cost import check_cost
from gateway.capabilities.policy.reach import Reach
from gateway.capabilities.policy.syntax import Program
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ("v := {a: c | some a in input.x; c := {b | some b in input.y}}", 0),
        ("v := {a: c | some a in input.x; c := {b: e | some b in input.y; e := {d | some d in input.z}}}", 1),
        ("v if { input.x[i] == input.y[i]; input.z[i][j] }", 0),
        ("v if { input.x[i] == input.y[j]; input.z[k] }", 1),
        ("v if { input.x[_] == input.y[_]; input.z[_] }", 1),
        ("v if { some i; input.x[i]; some j; input.y[j] }", 0),
        ("v if { a := 1; b := 2; c := 3; input.x[a]; input.y[b]; input.z[c] }", 0),
        ("v if f(input.x)\nf(x) if { some y in x; g(y) }\ng(x) if { some y in x; h(y) }\nh(x) if { some y in x; y }", 2),
        ("v if w\nw if u\nu if v", 3),
        ("m[k] := n if { some k in input.x; n := 1 }\nv := m", 0),
    ],
)
def test_rules_that_could_run_long_are_counted(body: str, problems: int) -> None:
    program = Program(EmbeddedEngine({"a.rego": f"package a\n\n{body}\n"}, "{}").ast())
    assert len(list(check_cost(program, Reach(program)))) == problems
