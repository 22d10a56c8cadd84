"""Money is whole micro-USD: a fraction of it means different things to the two engines, which round differently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.syntax import Module, Node, Program, reference, references

_SUFFIX: Final = "_microusd"


def check_money(program: Program, module: Module, node: Node) -> Iterator[Problem]:
    """A division of money, and money that is reckoned or compared with a fraction."""
    arithmetic, compared = node.get("ArithExpr"), node.get("BoolExpr")
    parts = arithmetic or compared
    if parts is None or not (_is_money(program, module, parts["lhs"]) or _is_money(program, module, parts["rhs"])):
        return
    if arithmetic is not None and arithmetic["op"] == "Div":
        hint = "multiply the other side instead: input.request.cost_estimate_microusd > 5 * 1000000"
        yield Problem(module.file, *module.place(node), "money is divided, and the engines round fractions differently", hint, "money")
    elif any(_is_fraction(parts[side]) for side in ("lhs", "rhs")):
        yield Problem(module.file, *module.place(node), "money meets a fraction, and is whole micro-USD", "write 0.5 USD as 500000", "money")


def _is_money(program: Program, module: Module, node: Node) -> bool:
    """Whether an operand, or what it is reckoned from, is an amount by its name."""
    for _, found in references(node):
        path = program.resolve(module, str(found.name), found.literal) or (str(found.name), *found.literal)
        if path[-1].endswith(_SUFFIX):
            return True
    return any(part.endswith(_SUFFIX) for call in _lookups(node) for part in call)


def _lookups(node: Node) -> Iterator[tuple[str, ...]]:
    """The keys that ``object.get`` looks up."""
    if "Call" in node and (found := reference(node["Call"]["fcn"])) is not None and found.literal == ("get",):
        keys = node["Call"]["params"][1:2]
        yield tuple(text for key in keys for text in _texts(key))


def _texts(node: Node) -> Iterator[str]:
    for item in node["Array"]["items"] if "Array" in node else [node]:
        if "String" in item:
            yield str(item["String"]["value"])


def _is_fraction(node: Node) -> bool:
    value = node.get("Number", {}).get("value")
    return isinstance(value, float) and not value.is_integer()
