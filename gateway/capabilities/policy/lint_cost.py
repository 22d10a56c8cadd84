"""What could run long: iterations inside iterations, also through functions, and rules that need themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.reach import Reach
from gateway.capabilities.policy.syntax import Node, Path, Program, Rule, children, reference, walk

MAX_ITERATIONS = 2
"""The embedded engine has no time limit: with at most 512 entries in one place, two nested iterations are 262,144 steps, three 134 million."""


def check_cost(program: Program, reach: Reach) -> Iterator[Problem]:
    """The problems of all rules."""
    meter = _Meter(program, reach)
    for key, definitions in program.rules.items():
        if reach.needs_itself(key):
            rule = definitions[0]
            yield Problem(rule.module.file, rule.line, rule.col, f"the rule {rule.name} needs itself", "break the circle", "recursion")
            continue
        for rule in definitions:
            if meter.of_rule(rule) > MAX_ITERATIONS:
                yield Problem(
                    rule.module.file,
                    rule.line,
                    rule.col,
                    f"the rule {rule.name} has more than {MAX_ITERATIONS} nested iterations",
                    "make the inner one a rule of its own, which is evaluated once",
                    "iterations",
                )


class _Meter:
    """Counts how deep iterations are nested. A complete rule or set is evaluated once and counts for itself; a function counts where it is called."""

    def __init__(self, program: Program, reach: Reach) -> None:
        self._program = program
        self._reach = reach
        self._functions: dict[Path, int] = {}

    def of_rule(self, rule: Rule) -> int:
        known = _bound(rule)
        return self._depth(rule, rule.node, known)

    def _depth(self, rule: Rule, node: Any, known: set[str]) -> int:
        """Iterations of one query stand beside each other and multiply; those of a nested query multiply with the ones around it."""
        if not isinstance(node, (dict, list)):
            return 0
        if isinstance(node, dict) and "stmts" in node:
            return self._of_query(rule, node, known)
        own = self._function(rule, node) if isinstance(node, dict) else 0
        return own + max((self._depth(rule, child, known) for child in children(node)), default=0)

    def _of_query(self, rule: Rule, query: Node, known: set[str]) -> int:
        iterations, inner, bound = 0, 0, set(known)
        for statement in query["stmts"]:
            free = _free_indexes(statement, bound)
            bound |= set(free) - {"_"}
            iterations += len(free) + sum(1 for literal in statement["literal"] if literal in {"SomeIn", "Every"})
            inner = max(inner, self._depth(rule, statement["literal"], bound))
        return iterations + inner

    def _function(self, rule: Rule, node: Node) -> int:
        """What a called function iterates."""
        found = reference(node["Call"]["fcn"]) if "Call" in node else None
        path = self._program.resolve(rule.module, found.name, found.literal) if found and found.name else None
        if path is None or path[1:] not in self._program.rules or self._reach.needs_itself(path[1:]):
            return 0
        key = path[1:]
        if key not in self._functions:
            self._functions[key] = max(self.of_rule(definition) for definition in self._program.rules[key])
        return self._functions[key]


def _bound(rule: Rule) -> set[str]:
    """Names with a value of their own before a query looks at them: parameters, and what := or some ... in binds anywhere in the rule."""
    names = set(rule.module.imports) | {other.name for other in rule.module.rules}
    for node in rule.nodes:
        if "args" in node:
            names |= {argument["Var"]["value"] for argument in node["args"] if "Var" in argument}
        if node.get("AssignExpr", {}).get("op") == "ColEq":
            names |= {inner["Var"]["value"] for inner in walk(node["AssignExpr"]["lhs"]) if "Var" in inner}
        if "SomeIn" in node:
            parts = [part for part in (node["SomeIn"]["key"], node["SomeIn"]["value"]) if part]
            names |= {inner["Var"]["value"] for part in parts for inner in walk(part) if "Var" in inner}
    return names - {"_"}


def _free_indexes(statement: Node, known: set[str]) -> list[str]:
    """The indexes without a value (``x[_]``, ``x[i]``) in one statement, each of which iterates; those of nested queries aside."""
    found: list[str] = []
    open_nodes: list[Any] = [statement["literal"]]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, dict) and "stmts" in node:
            continue
        index = node["RefBrack"]["index"] if isinstance(node, dict) and "RefBrack" in node else {}
        name = index["Var"]["value"] if "Var" in index else None
        if name == "_" or (name is not None and name not in known and name not in found):
            found.append(name)
        open_nodes.extend(children(node))
    return found
