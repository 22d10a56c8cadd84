"""Line breaks that make line coverage tell about conditions, and change nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.explain_tracing import Clause, Coverage, Tracing
from gateway.capabilities.policy.syntax import Program
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine

RULE = ("p", "v")


def traced(text: str) -> tuple[Tracing, EmbeddedEngine]:
    modules = {"p.rego": f"package p\n\n{text}\n"}
    tracing = Tracing(Program(EmbeddedEngine(modules, "{}").ast()), modules)
    return tracing, EmbeddedEngine(tracing.modules, "{}", coverage=True)


def coverage(engine: EmbeddedEngine, document: str) -> Coverage:
    engine.evaluate("data.p.v", document)
    return {file: covered for file, (covered, _) in engine.take_coverage().items()}


def fired(tracing: Tracing, clause: Clause, covered: Coverage) -> bool:
    return tracing.reached(clause, clause.head, covered)


@pytest.mark.parametrize(
    ("text", "document", "which"),
    [
        ("v := 1 if input.a == 1", '{"a": 1}', [True]),
        ("v := 1 if input.a == 1", '{"a": 2}', [False]),
        ("v if { input.a == 1; input.b }", '{"a": 1, "b": true}', [True]),
        ("v if { input.a == 1; input.b }", '{"a": 1}', [False]),
        ("v := 3", "{}", [True]),
        ("v contains input.a if input.b", '{"a": 1, "b": 1}', [True]),
        ('v contains "é" if "ü" == input.b', '{"b": "ü"}', [True]),
        ('v := {"a": 1,\n\t"b": 2} if {\n\t{"a": input.a, "b": 2} == {"a": 3, "b": 2}\n}', '{"a": 3}', [True]),
        ("v := f(input.a)\n\nf(x) := 1 if x == 1", '{"a": 1}', [True]),
        ('v := "a" if input.a\nelse := "b" if input.b\nelse := "c"', '{"a": true}', [True, False, False]),
        ('v := "a" if input.a\nelse := "b" if input.b\nelse := "c"', '{"b": true}', [False, True, False]),
        ('v := "a" if input.a\nelse := "b" if input.b\nelse := "c"', "{}", [False, False, True]),
        ("v := 1 if {\n\tinput.a\n} else if {\n\tinput.b == `x`\n\tinput.c }", '{"b": "x", "c": 1}', [False, True]),
        ("v[name] := count(name) if some name in input.names", '{"names": ["a"]}', [True]),
        ("v if every x in input.a { x > 1 }", '{"a": [2, 3]}', [True]),
        ("v if not input.a", "{}", [True]),
        ("v contains input.a if input.b", '{"b": 1}', [False]),
        ("v[input.a] := input.c if input.b", '{"a": "x", "b": 1}', [False]),
        ("v := [x | some x in input.a]", "{}", [True]),
    ],
)
def test_a_clause_fired_if_its_head_was_reached(text: str, document: str, which: list[bool]) -> None:
    tracing, engine = traced(text)
    covered = coverage(engine, document)
    assert [fired(tracing, clause, covered) for clause in tracing.clauses[RULE]] == which


def test_the_first_condition_that_did_not_hold_is_the_last_that_was_reached() -> None:
    tracing, engine = traced("v := 1 if { input.a; some x in input.b; x > 3; input.c }")
    clause, covered = tracing.clauses[RULE][0], coverage(engine, '{"a": 1, "b": [1, 2]}')
    reached = [condition.place for condition in clause.conditions if tracing.reached(clause, condition, covered)]
    assert reached[-1] is not None
    assert (reached[-1].line, reached[-1].col, reached[-1].text) == (3, 41, "x > 3")


def test_what_nothing_asked_for_is_not_demanded() -> None:
    tracing, engine = traced("v := a if { input.x; b }\n\na := 1\n\nb := [y | some y in input.ys; y == c]\n\nc := 2")
    assert tracing.demanded(RULE, coverage(engine, '{"x": 1, "ys": []}')) == {RULE, ("p", "a"), ("p", "b")}
    assert tracing.demanded(RULE, coverage(engine, '{"x": 1, "ys": [2]}')) == {RULE, ("p", "a"), ("p", "b"), ("p", "c")}
    assert tracing.demanded(RULE, coverage(engine, "{}")) == {RULE}


LITERALS = st.sampled_from(["input.a == 1", 'input.b == "é"', "not input.c", "some x in input.d", "count(input.d) > 0", '"q" in input.d', "input.e"])
VALUES = st.sampled_from(["1", '"t"', "{`r`}", '{"a": [1,\n2]}', "input.a"])


@given(st.lists(LITERALS, min_size=1, max_size=4, unique=True), VALUES, st.sampled_from(["\n\t", "; "]), st.booleans(), st.booleans())
def test_the_rewritten_policy_decides_as_the_policy(literals: list[str], value: str, between: str, one: bool, otherwise: bool) -> None:
    body = literals[0] if one else f"{{ {between.join(literals)}\n}}"
    text = f"v := {value} if {body}" + (f" else := {value} if {{ {literals[-1]} }}" if otherwise else "")
    modules = {"p.rego": f"package p\n\n{text}\n"}
    plain = EmbeddedEngine(modules, "{}")
    rewritten = EmbeddedEngine(Tracing(Program(plain.ast()), modules).modules, "{}")
    for document in ('{"a": 1, "b": "é", "d": ["q"], "e": 1}', '{"a": 2, "c": 1, "d": []}', "{}"):
        assert plain.evaluate("data.p.v", document) == rewritten.evaluate("data.p.v", document)
