"""What is refused before parsing."""

from __future__ import annotations

import pytest

from gateway.capabilities.policy.source_lint import lint_source


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("package a\n\nv := " + "[" * 9 + "]" * 9, (3, 14), "nested"),
        ("package a\nv := " + '{"a":' * 60 + "1" + "}" * 60, (2, 46), "nested"),
        ("package a\n# " + "x" * 1_030, (2, 1_025), "longer than"),
        ('package a\nv := $"a{input.b}"', (2, 6), "template strings"),
        ("package a\nv := $`a`", (2, 6), "template strings"),
        ("package a\x00", (0, 0), "control character"),
    ],
)
def test_each_slip_is_named_with_its_place(text: str, place: tuple[int, int], what: str) -> None:
    problems = lint_source("a.rego", text)
    assert [(problem.line, problem.col) for problem in problems] == [place]
    assert what in problems[0].what


@pytest.mark.parametrize(
    "text",
    [
        "package a\nv := " + "[" * 8 + "]" * 8,
        'package a\nv := "' + "[" * 50 + '"',
        "package a\nv := `" + "{" * 50 + "\n$" + "`",
        "package a\n# [[[[[[[[[[[[[[",
        'package a\nv := "a\\"[[[[[[[[[[["',
        "package a\r\nv := 1\r\n",
        "package a\nv := [[1], [2]]\nw := [[[3]]]\n" * 5,
    ],
)
def test_what_only_looks_like_it_passes(text: str) -> None:
    assert lint_source("a.rego", text) == []
