"""Budgets: module at most 300 lines, function at most 60 lines, 10 branches and 6 parameters; no ``global``; no import inside a function.

A heavy optional library may be loaded inside a function on a line that says ``# lazy: why``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.linters.sources import FunctionNode, Source, sources

LINES, FUNCTION_LINES, BRANCHES, PARAMETERS = 300, 60, 10, 6
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.BoolOp, ast.comprehension, ast.match_case)


def check(root: Path) -> list[str]:
    return [breach for source in sources(root, "gateway", "demo") for breach in _breaches(source)]


def _breaches(source: Source) -> Iterator[str]:
    if len(source.lines) > LINES:
        yield f"{source.path}: {len(source.lines)} lines (at most {LINES})"
    for function in source.functions():
        for what in _function_breaches(source, function):
            yield f"{source.path}:{function.lineno}: {function.name}: {what}"


def _function_breaches(source: Source, function: FunctionNode) -> Iterator[str]:
    nodes, arguments = list(_own(function)), function.args
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    branches = sum(isinstance(node, _BRANCHES) for node in nodes)
    parameters = len([each for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if each.arg not in {"self", "cls"}])
    for count, most, what in ((length, FUNCTION_LINES, "lines"), (branches, BRANCHES, "branches"), (parameters, PARAMETERS, "parameters")):
        if count > most:
            yield f"{count} {what} (at most {most})"
    if any(isinstance(node, ast.Global) for node in nodes):
        yield "global"
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and "# lazy: " not in source.lines[node.lineno - 1]:
            yield "import inside a function (say why with `# lazy: ...` where it must be)"


def _own(function: FunctionNode) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions and classes nested in it, which have budgets of their own."""
    stack = list(ast.iter_child_nodes(function))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(node))
