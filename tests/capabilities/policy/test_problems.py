"""How problems read."""

from __future__ import annotations

from gateway.capabilities.policy.problems import PolicyError, Problem


def test_a_problem_says_where_what_and_what_to_do() -> None:
    assert str(Problem("a.rego", 3, 4, "it is wrong", "right it")) == "a.rego:3:4: it is wrong (right it)"
    assert str(Problem("a.rego", 0, 0, "it is wrong")) == "a.rego: it is wrong"


def test_an_error_has_each_problem_once_in_order() -> None:
    first, second = Problem("a.rego", 2, 1, "x"), Problem("a.rego", 10, 1, "x")
    assert PolicyError([second, first, second]).problems == (first, second)


def test_a_warning_says_so_and_programs_get_every_part() -> None:
    problem = Problem("a.rego", 3, 4, "nobody asks", "remove it", "unreachable", warning=True)
    assert str(problem) == "a.rego:3:4: warning: nobody asks (remove it)"
    assert problem.as_json() == {
        "rule": "unreachable",
        "severity": "warning",
        "file": "a.rego",
        "line": 3,
        "col": 4,
        "message": "nobody asks",
        "rewrite": "remove it",
    }
    assert Problem("a.rego", 0, 0, "gone").as_json()["rule"] == "load"
