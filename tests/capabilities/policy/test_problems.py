"""How problems read."""

from __future__ import annotations

from gateway.capabilities.policy.problems import PolicyError, Problem


def test_a_problem_says_where_what_and_what_to_do() -> None:
    assert str(Problem("a.rego", 3, 4, "it is wrong", "right it")) == "a.rego:3:4: it is wrong (right it)"
    assert str(Problem("a.rego", 0, 0, "it is wrong")) == "a.rego: it is wrong"


def test_an_error_has_each_problem_once_in_order() -> None:
    first, second = Problem("a.rego", 2, 1, "x"), Problem("a.rego", 10, 1, "x")
    assert PolicyError([second, first, second]).problems == (first, second)
