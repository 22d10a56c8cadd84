"""A trial ends, whatever the policy does."""

from __future__ import annotations

import threading
import time

import pytest

from gateway.capabilities.policy.trial import Case, Trial

FAST = "package a\n\nv := input.x + 1\n"
ENDLESS = "package a\n\nv := count([1 | numbers.range(1, 9000)[_]; numbers.range(1, 9000)[_]; numbers.range(1, 9000)[_]])\n"
GREEDY = "package a\n\nv := count(numbers.range(1, 100000000))\n"
CASE = Case("the case", "data.a.v", '{"x": 1}')


def test_cases_bring_values_faults_and_prints() -> None:
    source = FAST + 'p if print("said", input.x)\nf := 1 / input.zero\n'
    cases = [CASE, Case("p", "data.a.p", '{"x": 1}'), Case("f", "data.a.f", '{"zero": 0}'), Case("u", "data.a.v", "{}")]
    result = Trial({"a.rego": source}, "{}", cases, limit_s=20).run()
    assert result.problems == ()
    assert result.ast is not None
    assert result.cases["the case"]["value"] == 2
    assert "said 1" in result.cases["p"]["prints"][0]
    assert result.cases["f"]["fault"]["line"] == 5
    assert result.cases["u"]["undefined"] is True


def test_sources_that_do_not_compile_are_named_with_their_place() -> None:
    result = Trial({"a.rego": "package a\n\nv := [\n"}, "{}", [CASE], limit_s=20).run()
    assert result.ast is None
    assert [(problem.file, problem.line) for problem in result.problems] == [("a.rego", 4)]


def test_an_endless_policy_is_killed_and_what_came_before_stands() -> None:
    cases = [Case("first", "data.b.v", '{"x": 1}'), Case("second", "data.a.v", "{}"), Case("third", "data.b.v", "{}")]
    result = Trial({"a.rego": ENDLESS, "b.rego": FAST.replace("package a", "package b")}, "{}", cases, limit_s=1.5).run()
    assert result.ast is not None
    assert "first" in result.cases
    assert "while evaluating second: it took longer than 1.5 s" in str(result.problems[0])


def test_a_source_that_takes_for_ever_to_parse_is_killed() -> None:
    result = Trial({"a.rego": "package a\n\nv := " + "[" * 60 + "]" * 60}, "{}", [CASE], limit_s=1).run()
    assert "while compiling: it took longer than 1 s" in str(result.problems[0])


def test_a_greedy_policy_dies_of_its_own() -> None:
    result = Trial({"a.rego": GREEDY}, "{}", [CASE], limit_s=30, memory_bytes=200 << 20).run()
    assert result.problems or "fault" in result.cases["the case"]


@pytest.mark.parametrize("early", [True, False])
def test_a_trial_can_be_cancelled(early: bool) -> None:
    trial = Trial({"a.rego": ENDLESS}, "{}", [CASE], limit_s=60)
    if early:
        trial.cancel()
    else:
        threading.Timer(0.3, trial.cancel).start()
    started = time.monotonic()
    assert "cancelled" in str(trial.run().problems[0])
    assert time.monotonic() - started < 30


def test_coverage_adds_up_over_the_cases() -> None:
    modules = {"a.rego": "package a\n\nv if {\n\tinput.x == 1\n\tinput.y == 2\n}\n\nw := 3\n"}
    cases = [Case("one", "data.a.v", '{"x": 2}'), Case("two", "data.a.w", "{}")]
    result = Trial(modules, "{}", cases, limit_s=10, coverage=True).run()
    assert {name: [list(lines) for lines in found] for name, found in result.coverage.items()} == {"a.rego": [[4, 8], [5]]}
    assert Trial(modules, "{}", cases, limit_s=10).run().coverage == {}
