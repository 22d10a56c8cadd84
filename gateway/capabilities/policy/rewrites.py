"""What to write instead: the author's own text with the least change that both engines understand alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.capabilities.policy.contract_schemas import input_schema
from gateway.capabilities.policy.syntax import Module, Node, Path
from gateway.domain import Hook

_CLASSES: Final[Mapping[str, str]] = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_EMPTY: Final[Mapping[str, str]] = {"string": '""', "number": "0", "integer": "0", "boolean": "false", "array": "[]", "object": "{}"}
_MAX_CHARS: Final = 200


def ascii_pattern(pattern: str) -> str | None:
    r"""A regular expression with ``[0-9]`` for ``\d`` and so on; ``None`` where that is not all that is needed."""
    written: list[str] = []
    at, inside = 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            found = _ESCAPE.match(pattern, at)
            part = _escaped(found[1], inside) if found else None
            if part is None:
                return None
            written.append(part)
            at += 2
            continue
        if char == "(" and pattern.startswith("(?", at) and not pattern.startswith(("(?:", "(?P<"), at):
            return None
        inside = inside != (char == ("]" if inside else "["))
        written.append(char)
        at += 1
    return "".join(written) if pattern.isascii() else None


def _escaped(letter: str, inside: bool) -> str | None:
    if letter in _CLASSES:
        return _CLASSES[letter] if inside else f"[{_CLASSES[letter]}]"
    if letter.lower() in _CLASSES:
        return None if inside else f"[^{_CLASSES[letter.lower()]}]"
    return None if letter in "bBpP" else f"\\{letter}"


def bound_negation(module: Module, negation: Node, part: Node, path: Path | None) -> str:
    """``not f(input.a.b)`` with its argument bound first."""
    if path is None or path[0] != "input" or len(path) < 2:
        return "give the value that it needs a name and a default first: x := object.get(table, key, null)"
    keys = ", ".join(f'"{step}"' for step in path[1:])
    name = path[-1] if re.fullmatch(r"[a-z_][a-z0-9_]*", path[-1]) else "value"
    bound = f"{name} := object.get(input, {keys if len(path) == 2 else f'[{keys}]'}, {_empty(path[1:])})"
    said, whole = module.lines.text(_span(negation)), module.lines.text(_span(part))
    if "\n" in said or len(said) > _MAX_CHARS:
        return f"write {bound} before it, and {name} in it"
    return f"write {bound}; {said.replace(whole, name)}"


def _span(node: Node) -> Mapping[str, int]:
    span: Mapping[str, int] = next(iter(node.values()))["span"]
    return span


def _empty(path: Path) -> str:
    """A value of the type that the contract gives a path."""
    for hook in Hook:
        schema = input_schema(hook)
        for step in path:
            schema = schema.get("properties", {}).get(step, {})
        if schema.get("type") in _EMPTY:
            return _EMPTY[schema["type"]]
    return "null"
