"""The lint table: one row for each thing that a policy must not do, and for what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.capabilities.policy.lint import lint
from gateway.capabilities.policy.syntax import Program
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine

ANSWER = 'package gateway.answer\n\nverdict := {"outcome": "allow"}\n'
HELPER = "package gateway.helper\n\nf(x) := x\n\ntable := {1}\n"


def problems_of(rules: str, data: dict[str, Any] | None = None, **modules: str) -> list[str]:
    """The problems of an intent module with ``rules`` (from its fourth line on) besides a sound verdict."""
    intent = f'package gateway.intent\nimport data.gateway.helper\nimport input.subject as who\n{rules}\nverdict := {{"outcome": "allow"}}\n'
    sources = {"intent.rego": intent, "answer.rego": ANSWER, "helper.rego": HELPER, **modules}
    return [str(problem) for problem in lint(Program(EmbeddedEngine(sources, "{}").ast()), data or {})]


@pytest.mark.parametrize(
    ("rules", "place", "what"),
    [
        ("a := http.send({})", "4:", "http.send may not be called"),
        ("a := time.now_ns()", "4:", "use input.time"),
        ("a if print(1)", "4:", "print may not be called"),
        ("a := opa.runtime()", "4:", "opa.runtime may not be called"),
        ('a := rand.intn("a", 2)', "4:", "repeatable"),
        ("a := numbers.range(1, 2)", "4:", "no bound"),
        ("a if walk(input, [x, y])", "4:", "no bound"),
        ('a := io.jwt.decode("a")', "4:", "may not be called"),
        ('a := crypto.sha256("a")', "4:", "may not be called"),
        ("a := cuont([1])", "4:", "did you mean count?"),
        ("a := helper.g(1)", "4:", "there is no function helper.g"),
        ("a := data.gateway.helper.g(1)", "4:", "there is no function"),
        ('a := strings.count("a", "")', "4:", "strings.count"),
        ("a := strings.count(input.request.route, input.subject.id)", "4:", "strings.count"),
        ('a := strings.count(input.request.route, "aa")', "4:", "strings.count"),
        ('a := to_number("1")', "4:", "numbers of the input are numbers"),
        ('a if regex.match("\\\\d", "1")', "4:", "different things"),
        ("a if regex.match(`\\w+`, `a`)", "4:", "different things"),
        ("a if regex.match(`(?i)a`, `a`)", "4:", "different things"),
        ("a if regex.match(`\\pL`, `a`)", "4:", "different things"),
        ("a if regex.match(`[ä]`, `a`)", "4:", "different things"),
        ("a if regex.match(`(`, `a`)", "4:", "does not compile"),
        ("a if regex.match(input.request.route, `a`)", "4:", "not literal"),
        ("a := regex.replace(`a`, input.request.route, `b`)", "4:", "not literal"),
        ('a := sprintf("%5.2f", [1])', "4:", "sprintf"),
        ("a := sprintf(input.request.route, [1])", "4:", "sprintf"),
        ('a if not startswith(input.request.route, "a")', "4:", "may be undefined"),
        ('a if not startswith(who.id, "a")', "4:", "may be undefined"),
        ("a if {\n\tx := input.request\n\tnot helper.f(x.route)\n}", "6:", "may be undefined"),
        ("b := 1 if input.attempt == 2\na if not helper.f(b)", "5:", "may be undefined"),
        ("a if count(input) > 0 with input as {}", "4:", "with"),
        ("a if input.subjct.id", "4:", "did you mean input.subject?"),
        ("a if input.subject.team", "4:", "did you mean input.subject.teams?"),
        ("a if who.team", "4:", "did you mean input.subject.teams?"),
        ("a if data.tabels.x", "4:", "there is no data.tabels"),
        ("a if data.gateway.helper.tabel", "4:", "there is no data.gateway.helper.tabel"),
        ("helper := 1", "4:", "hides"),
        ("a if b\nb if a", "4:", "needs itself"),
        ("f(x) := f(x)", "4:", "needs itself"),
        ("a if { some x in [1]; some y in [2]; some z in [3]; x + y == z }", "4:", "nested iterations"),
        ("a := [x | some x in [1]; some y in [2]; z := [3][_]; x + y == z]", "4:", "nested iterations"),
        ("a if { some x in [1]; every y in [2] { every z in [3] { x + y == z } } }", "4:", "nested iterations"),
        ("a := {x | x := [y | y := [z | some z in [1]; input.findings[_]]; input.findings[_]]; input.findings[i]}", "4:", "nested iterations"),
        ("g(v) := [x | some x in v; some y in v; x == y]\na if { some x in [1]; g([x]) }", "5:", "nested iterations"),
    ],
)
def test_each_slip_is_named_with_its_place(rules: str, place: str, what: str) -> None:
    problems = problems_of(rules)
    assert any(problem.startswith(f"intent.rego:{place}") and what in problem for problem in problems), problems


@pytest.mark.parametrize(
    "rules",
    [
        'a if not object.get(input, ["request", "route"], "") == "a"',
        'a if {\n\troute := object.get(input.request, "route", "")\n\tnot startswith(route, "a")\n}',
        'b := object.get(input, ["request", "route"], "")\na if not startswith(b, "a")',
        "default b := 1\nb := 2 if input.attempt == 2\na if not helper.f(b)",
        "a if not input.request.stream",
        "a if { some x in [1]; some y in [2]; x == y }",
        "b := [x | some x in [1]; some y in [2]; x == y]\na if { some x in b; some y in b; x == y }",
        "a contains x if some x in helper.table",
        "limits[team] := 1 if some team in input.subject.teams",
        'a.b := 1\na.c := input.request.params.whatever["x y"]',
        "a if regex.match(`^[0-9a-z_-]{1,9}$`, input.request.route)",
        'a := sprintf("%s has %d of %v, 100%%", ["a", 1, [2]])',
        "a := helper.f(1) + data.gateway.helper.f(2)",
        "a if data.teams[input.subject.tenant]",
        'a := strings.count(input.request.route, "a")',
    ],
)
def test_what_only_looks_like_it_passes(rules: str) -> None:
    assert problems_of(rules, {"teams": {}}) == []


@pytest.mark.parametrize(
    ("modules", "data", "what"),
    [
        ({"answer.rego": "package gateway.answer\n\nother := 1\n"}, {}, "no rule verdict in package gateway.answer"),
        ({"answer.rego": "package gateway.answer\n\nverdict contains 1\n"}, {}, "one complete value"),
        ({"answer.rego": 'package gateway.answer\n\nverdict["outcome"] := "allow"\n'}, {}, "one complete value"),
        ({"answer.rego": "package gateway.answer\n\nverdict(x) := x\n"}, {}, "one complete value"),
        ({"tool.rego": "package gateway.tool\n\nverdict := 1\n"}, {}, "no hook tool"),
        ({}, {"gateway": {"helper": {"table": 1}}}, "gateway.helper, which is this package"),
    ],
)
def test_slips_of_whole_modules_are_named(modules: dict[str, str], data: dict[str, Any], what: str) -> None:
    assert any(what in problem for problem in problems_of("", data, **modules))
