from __future__ import annotations

import pytest

from gateway.configuration.problems import Problem, SettingsError, Where, dotted, nearest


def test_a_problem_reads_as_file_line_where_what_and_hint() -> None:
    assert str(Problem("config.yaml", 12, "a.b", "is wrong", "do this")) == "config.yaml:12: a.b: is wrong (do this)"
    assert str(Problem("config.yaml", 1, "", "is empty")) == "config.yaml:1: is empty"


def test_an_error_has_each_problem_once_in_the_order_of_the_file() -> None:
    late, early = Problem("f", 9, "b", "x"), Problem("f", 2, "a", "y")
    error = SettingsError([late, early, late])
    assert error.problems == (early, late)
    assert str(error).splitlines() == [str(early), str(late)]


@pytest.mark.parametrize(("where", "expected"), [((), ""), (("a",), "a"), (("a", "b", 0), "a.b[0]"), (("a", 1, "c"), "a[1].c")])
def test_a_path_is_written_with_dots_and_brackets(where: Where, expected: str) -> None:
    assert dotted(where) == expected


def test_the_nearest_name_is_suggested_else_the_few_known_ones() -> None:
    assert nearest("listn", ["listen", "limits"]) == "did you mean 'listen'?"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("zzz", ["b", "a"], listing=False) == ""
    assert nearest("zzz", []) == ""
