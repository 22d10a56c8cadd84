"""Signs of work left half done: broad excepts and mocks over budget, silenced checks, promises, tests that assert nothing, machine paths."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.linters.sources import FunctionNode, Source, sources

BROAD_PER_1000 = 0.5
MOCKS_PER_1000 = 3.0
_BROAD = re.compile(r"except \(?(?:Base)?Exception\b|except:")
_MOCK = re.compile(r"\b(?:MagicMock|AsyncMock|Mock\(|mock\.patch|monkeypatch\.setattr)")
_SILENCED = re.compile(r"#\s*(?:type:\s*ignore|noqa|pragma:\s*no cover)|cast\(Any")
_REASON = re.compile(r"#.*(?: - | # )\S+ \S+")
"""The reason stands behind the directive, ``# noqa: RULE - why`` or ``# type: ignore[rule]  # why``, or alone on the line above or below."""
_COMMENT = re.compile(r"\s*# \S+ \S+")
_PROMISE = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b|NotImplemented" + r"Error|not (?:yet )?implemented")
_MACHINE = re.compile(r"\.\./sha" + r"red|(?<![\w.$}])/(?:work|farm|root|home)/\w|\bissue " + r"#?\d+\b")
_ASSERTING = re.compile(r"assert|raises|warns|fail|check|expect|verify|same|must")
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".rego", ".sh", ".cfg", ".txt"}


def check(root: Path) -> list[str]:
    product, tests = sources(root, "gateway"), [source for source in sources(root, "tests") if source.path.parts[1:2] != ("linters",)]
    return [
        *_budget(product, _BROAD, BROAD_PER_1000, "broad excepts"),
        *_budget(tests, _MOCK, MOCKS_PER_1000, "mocks"),
        *(f"{at}: a broad except or a silenced check needs its reason: `# noqa: RULE - why`" for source in product for at in _unexplained(source)),
        *(f"{at}: a promise in the place of code" for at, line in _lines(product) if _PROMISE.search(line)),
        *(f"{source.path}:{test.lineno}: {test.name} asserts nothing" for source in tests for test in source.functions() if _empty(test)),
        *_machine_paths(root),
    ]


def _lines(found: list[Source]) -> Iterator[tuple[str, str]]:
    return ((f"{source.path}:{number}", line) for source in found for number, line in enumerate(source.lines, 1))


def _budget(found: list[Source], pattern: re.Pattern[str], most: float, what: str) -> list[str]:
    hits = [at for at, line in _lines(found) if pattern.search(line)]
    thousands = max(sum(len(source.lines) for source in found), 1) / 1000
    if len(hits) / thousands <= most:
        return []
    return [f"{len(hits) / thousands:.1f} {what} per 1,000 lines (at most {most}): {', '.join(hits)}"]


def _unexplained(source: Source) -> Iterator[str]:
    lines = ["", *source.lines, ""]
    for number, line in enumerate(lines):
        beside = any(_COMMENT.match(lines[near]) for near in (number - 1, number + 1) if 0 <= near < len(lines))
        if (_BROAD.search(line) or _SILENCED.search(line)) and not _REASON.search(line) and not beside:
            yield f"{source.path}:{number}"


def _empty(function: FunctionNode) -> bool:
    if not function.name.startswith("test"):
        return False
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    names = (getattr(call, "attr", getattr(call, "id", "")) for call in calls)
    return not any(isinstance(node, ast.Assert) for node in ast.walk(function)) and not any(_ASSERTING.match(name) for name in names)


def _machine_paths(root: Path) -> Iterator[str]:
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=False).stdout
    for path in (root / name for name in listed.splitlines()):
        if (path.suffix in TEXT or path.name == "Makefile") and path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
                if _MACHINE.search(line):
                    yield f"{path.relative_to(root)}:{number}: names a path of one machine, or an issue"
