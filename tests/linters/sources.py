"""The Python files of a tree, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    path: Path
    """Relative to the root of the tree."""
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def functions(self) -> Iterator[FunctionNode]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def sources(root: Path, *folders: str) -> list[Source]:
    """Every Python file below ``folders``, in the order of their paths."""
    found = []
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Source(path.relative_to(root), text, ast.parse(text, str(path))))
    return found
