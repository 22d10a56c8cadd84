"""What the local names of a rule stand for, as far as the rule itself tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.capabilities.policy.syntax import Node, Rule, walk


class Bound(NamedTuple):
    """One binding: to ``node``, or to ``each`` item of it; to nothing that is known where ``node`` is ``None``."""

    node: Node | None
    each: bool = False


def bindings(rule: Rule) -> dict[str, list[Bound]]:
    """Every binding of each local name, wherever in the rule it stands. A name with more than one means different things in different places."""
    found: dict[str, list[Bound]] = {}
    for node in rule.nodes:
        for name, bound in (*_parameters(node), *_assigned(node), *_iterated(node), *_every(rule, node), *_declared(rule, node)):
            found.setdefault(name, []).append(bound)
    return found


def _parameters(node: Node) -> Iterator[tuple[str, Bound]]:
    for argument in node.get("args") or ():
        yield from _names(argument, Bound(None))


def _assigned(node: Node) -> Iterator[tuple[str, Bound]]:
    assign = node.get("AssignExpr")
    if assign is not None and assign["op"] == "ColEq":
        yield from _names(assign["lhs"], Bound(assign["rhs"]))


def _iterated(node: Node) -> Iterator[tuple[str, Bound]]:
    some = node.get("SomeIn")
    if some is not None:
        yield from _names(some["value"], Bound(some["collection"], each=True))
        yield from _names(some["key"], Bound(None))


def _every(rule: Rule, node: Node) -> Iterator[tuple[str, Bound]]:
    every = node.get("Every")
    if every is not None:
        yield rule.module.lines.text(every["value"]), Bound(every["domain"], each=True)
        if every["key"]:
            yield rule.module.lines.text(every["key"]), Bound(None)


def _declared(rule: Rule, node: Node) -> Iterator[tuple[str, Bound]]:
    """``some x, y``."""
    for span in node.get("SomeVars", {}).get("vars", ()):
        yield rule.module.lines.text(span), Bound(None)


def _names(pattern: Any, bound: Bound) -> Iterator[tuple[str, Bound]]:
    """The names in what is bound: one of them is what the whole is bound to, the parts of a pattern are nothing known."""
    if not isinstance(pattern, dict):
        return
    whole = "Var" in pattern
    for inner in walk(pattern):
        if "Var" in inner:
            yield str(inner["Var"]["value"]), bound if whole else Bound(None)
