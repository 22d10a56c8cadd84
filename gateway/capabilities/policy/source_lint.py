"""What must be refused before a source is even parsed: the parser's own time grows with the square of the square of nested literals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.capabilities.policy.problems import Problem

MAX_LINE_CHARS = 1_024
MAX_LITERAL_NESTING = 8
"""Limits of the embedded engine: at 16 nested literals parsing takes 80 ms, and each further level doubles it."""

_TOKEN = re.compile(r'#[^\n]*|\$["`]|"(?:\\.|[^"\\\n])*"?|`[^`]*`?|[\[{(\])}]')


def lint_source(file: str, text: str) -> list[Problem]:
    """The problems of one source that show without parsing it."""
    problems = [
        Problem(file, number, MAX_LINE_CHARS + 1, f"the line is longer than {MAX_LINE_CHARS} characters", "break it")
        for number, line in enumerate(text.split("\n"), 1)
        if len(line) > MAX_LINE_CHARS
    ]
    if "\x00" in text or "\r" in text.replace("\r\n", ""):
        problems.append(Problem(file, 0, 0, "the file holds a control character that ends lines for some readers", "remove it"))
    problems.extend(_tokens(file, text))
    return problems


def _tokens(file: str, text: str) -> Iterator[Problem]:
    depth = 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in {'$"', "$`"}:
            yield _problem(file, text, token.start(), 'template strings ($"...") work in one engine only', "use sprintf or concat")
        elif sign in {"[", "{"}:
            depth += 1
            if depth == MAX_LITERAL_NESTING + 1:
                yield _problem(file, text, token.start(), f"more than {MAX_LITERAL_NESTING} nested [ and {{", "name the inner parts")
        elif sign in {"]", "}"}:
            depth = max(0, depth - 1)


def _problem(file: str, text: str, at: int, what: str, hint: str) -> Problem:
    line = text.count("\n", 0, at) + 1
    return Problem(file, line, at - (text.rfind("\n", 0, at) + 1) + 1, what, hint)
