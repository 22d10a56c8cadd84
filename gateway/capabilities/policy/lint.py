"""What a policy must not do, found in its parsed rules: what means different things to the two engines, what could run long, and what can only be a slip.

The rules are for evaluated modules; tests may do as they like. ``lint`` finds what keeps a policy from going live, ``lint_advice`` what is only worth a
word. ``lint_approvals``, ``lint_calls``, ``lint_cost``, ``lint_input``, ``lint_money`` and ``lint_verdict`` look at one kind of thing each.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.capabilities.policy.builtins import ALLOWED, INSTEAD
from gateway.capabilities.policy.lint_calls import check_call, check_negation
from gateway.capabilities.policy.lint_cost import check_cost
from gateway.capabilities.policy.lint_input import InputLint
from gateway.capabilities.policy.lint_money import check_money
from gateway.capabilities.policy.lint_verdict import check_shape
from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.reach import Reach
from gateway.capabilities.policy.syntax import Module, Node, Path, Program, Rule, callee
from gateway.domain import Hook

MASKS: Path = ("system", "log")
"""The package that masks the decision log, as OPA has it."""
_HOOKS_TO_COME = frozenset({"tool", "task"})


def lint(program: Program, data: Mapping[str, Any], reach: Reach | None = None) -> list[Problem]:
    """The problems of all modules with the data document that they are evaluated with; each keeps the policy from going live."""
    reach = reach or Reach(program)
    problems = [*_hooks(program), *check_cost(program, reach)]
    for hook in Hook:
        problems.extend(problem for problem in check_shape(program, hook) if not problem.warning)
    for module in program.modules:
        problems.extend(_package(module, data))
        for rule in module.rules:
            problems.extend(_names(rule))
            for node in rule.nodes:
                problems.extend(_node(program, rule, node))
            problems.extend(_references(program, rule, data))
            if module.package == MASKS:  # its input is an event of the decision log
                continue
            problems.extend(InputLint(program, rule, reach.hooks.get((*module.package, rule.name), ())).problems())
    return sorted(set(problems))


def _hooks(program: Program) -> Iterator[Problem]:
    for hook in Hook:
        rules = program.rules.get(("gateway", hook.value, "verdict"), [])
        if not rules:
            yield Problem(
                f"{hook.value}.rego", 0, 0, f"there is no rule verdict in package gateway.{hook.value}", "without it everything is refused", "hook-missing"
            )
        for rule in rules:
            if rule.kind in {"set", "function"} or rule.keyed:
                yield Problem(rule.module.file, rule.line, rule.col, "verdict must be one complete value", "verdict := {...} if {...}", "verdict-form")


def _package(module: Module, data: Mapping[str, Any]) -> Iterator[Problem]:
    package = module.package
    if package[0] == "gateway" and package[1:2] and package[1] in _HOOKS_TO_COME:
        yield Problem(module.file, 1, 1, f"this gateway has no hook {package[1]}", f"its hooks are {', '.join(Hook)}", "hook-unknown")
    below: Any = data
    for part in package:
        if not isinstance(below, Mapping) or part not in below:
            return
        below = below[part]
    yield Problem(
        module.file, 1, 1, f"data.yaml holds something at {'.'.join(package)}, which is this package", "rename the table or the package", "package-data"
    )


def _names(rule: Rule) -> Iterator[Problem]:
    if rule.name in {"input", "data"} or rule.name in rule.module.imports:
        yield Problem(rule.module.file, rule.line, rule.col, f"the rule {rule.name} hides what has this name already", "rename it", "name-hides")


def _node(program: Program, rule: Rule, node: Node) -> Iterator[Problem]:
    module = rule.module
    if node.get("with_mods"):
        yield Problem(module.file, *module.place(node), "`with` replaces the input outside of a test", "make what differs a parameter of a function", "with")
    if "Call" in node:
        yield from _callee(program, rule, node)
        yield from check_call(module, node)
    if "NotExpr" in node:
        yield from check_negation(program, module, node)
    yield from check_money(program, module, node)
    assigned = node.get("AssignExpr")
    if assigned is not None and assigned["lhs"].get("Var", {}).get("value") in {"input", "data"} and assigned["op"] == "ColEq":
        yield Problem(module.file, *module.place(node), "a local name hides input or data", "rename it", "name-hides")


def _callee(program: Program, rule: Rule, node: Node) -> Iterator[Problem]:
    name = callee(node)
    if name is None:
        yield Problem(rule.module.file, *rule.module.place(node), "a call of something that has no name", "call a function by its name", "call")
        return
    root, *rest = name.split(".")
    path = program.resolve(rule.module, root, tuple(rest))
    if path is not None:
        if path[0] != "data" or path[1:] not in program.rules:
            hint = _nearest(name, (".".join(key) for key in program.rules))
            yield Problem(rule.module.file, *rule.module.place(node), f"there is no function {name}", hint, "function-unknown")
    elif name not in ALLOWED:
        hint = INSTEAD.get(name) or _nearest(name, ALLOWED) or "docs/policy.md lists what may be called"
        yield Problem(rule.module.file, *rule.module.place(node), f"{name} may not be called", hint, "builtin")


def _references(program: Program, rule: Rule, data: Mapping[str, Any]) -> Iterator[Problem]:
    """References to packages, rules and tables that do not exist."""
    for node, found in rule.uses():
        path = program.resolve(rule.module, str(found.name), found.literal)
        if path is not None and path[0] == "data" and _is_unknown(program, path[1:], data):
            hint = _nearest(".".join(path[1:]), [*data, *(".".join(key) for key in program.rules)])
            yield Problem(rule.module.file, *rule.module.place(node), f"there is no {'.'.join(path)}", hint, "reference-unknown")


def _is_unknown(program: Program, path: Path, data: Mapping[str, Any]) -> bool:
    return bool(path) and path[0] not in data and next(program.rules_at(path), None) is None


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(names)}" if 0 < len(names) <= 20 else ""
