"""What must be refused before a source is even parsed: the parser's own time grows with the square of the square of nested literals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.capabilities.policy.annotations import lint_annotations
from gateway.capabilities.policy.problems import Problem

MAX_LINE_CHARS = 1_024
MAX_LITERAL_NESTING = 8
"""Limits of the embedded engine: at 16 nested literals parsing takes 80 ms, and each further level doubles it."""

_HOLE = re.compile(r"\{([^{}\n]{1,200})\}")
_TOKEN = re.compile(r'#[^\n]*|\$["`]|"(?:\\.|[^"\\\n])*"?|`[^`]*`?|[\[{(\])}]')


def lint_source(file: str, text: str) -> list[Problem]:
    """The problems of one source that show without parsing it."""
    problems = [
        Problem(file, number, MAX_LINE_CHARS + 1, f"the line is longer than {MAX_LINE_CHARS} characters", "break it", "line-length")
        for number, line in enumerate(text.split("\n"), 1)
        if len(line) > MAX_LINE_CHARS
    ]
    if "\x00" in text or "\r" in text.replace("\r\n", ""):
        problems.append(Problem(file, 0, 0, "the file holds a control character that ends lines for some readers", "remove it", "control-character"))
    problems.extend(_tokens(file, text))
    problems.extend(lint_annotations(file, text))
    return problems


def _tokens(file: str, text: str) -> Iterator[Problem]:
    depth = 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in {'$"', "$`"}:
            what = 'template strings ($"...") work in one engine only'
            yield _problem(file, text, token.start(), what, _as_sprintf(text[token.start() + 1 :]), "template-string")
        elif sign in {"[", "{"}:
            depth += 1
            if depth == MAX_LITERAL_NESTING + 1:
                yield _problem(file, text, token.start(), f"more than {MAX_LITERAL_NESTING} nested [ and {{", "give the inner parts names", "nesting")
        elif sign in {"]", "}"}:
            depth = max(0, depth - 1)


def _as_sprintf(rest: str) -> str:
    """The call that says the same as a template string; ``rest`` begins with its quote."""
    body = rest[1 : max(rest.find(rest[0], 1), 1)]
    values = _HOLE.findall(body)
    if not values or "\n" in body:
        return "use sprintf or concat"
    said = _HOLE.sub("%v", body.replace("%", "%%"))
    return f"write sprintf({rest[0]}{said}{rest[0]}, [{', '.join(value.strip() for value in values)}])"


def _problem(file: str, text: str, at: int, what: str, hint: str, rule: str) -> Problem:
    line = text.count("\n", 0, at) + 1
    return Problem(file, line, at - (text.rfind("\n", 0, at) + 1) + 1, what, hint, rule)
