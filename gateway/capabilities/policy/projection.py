"""The part of the input that a hook's rules refer to, and nothing else: small inputs decide fast, and content stays out where no rule asks for it.

The paths are found in the parsed rules, from the verdict through every rule that it can reach. In doubt the whole section is taken, so the projected
input decides as the whole one would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any, Final

import orjson

from gateway.capabilities.policy.contract import SCHEMA
from gateway.capabilities.policy.syntax import Node, Path, Program, Rule, callee, children, literal_path, reference
from gateway.domain import Hook

MAX_ITEMS: Final = 512
"""Most entries of one array or object. Two nested iterations over as many take 0.15 to 0.5 s, more of them are refused when a policy loads."""
MAX_DEEP_ITEMS: Final = 4_096
"""The same for what lies deeper than the parts of a message, such as the values that a tool's schema lists: nobody iterates over these twice."""
_DEEP: Final = 5
MAX_BYTES: Final = 4_194_304
_MAPPINGS: Final = (dict, Mapping)
"""The concrete type first: asking an abstract one takes ten times as long."""
_ATOMS: Final = frozenset({str, int, bool, type(None)})
"""Most of an input, and nothing that could be wrong with it."""
_LOOK_CLOSER_BYTES: Final = 2 * MAX_ITEMS  # an array that is too long cannot be shorter than this


class InputError(Exception):
    """The input cannot be given to a policy; ``document`` is as much of it as can go on record."""

    def __init__(self, message: str, document: bytes = b"{}") -> None:
        super().__init__(message)
        self.message = message
        self.document = document


def paths_of(program: Program, rule: Path) -> frozenset[Path]:
    """The paths below ``input`` that ``rule`` (a path without ``data``) can look at; the empty path is all of the input."""
    found: set[Path] = set()
    seen: set[Path] = set()
    waiting = [rule]
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        for definition in program.rules.get(key, ()):
            for path in _references(program, definition):
                if path[0] == "input":
                    found.add(path[1:])
                else:
                    waiting.extend(program.rules_at(path[1:]))
    return frozenset(path for path in found if not any(path[:cut] in found for cut in range(len(path))))


def _references(program: Program, rule: Rule) -> set[Path]:
    """What a rule refers to, as paths that begin with ``input`` or ``data``."""
    found: set[Path] = set()
    open_nodes: list[Any] = [rule.node]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, dict):
            narrowed = _object_get(program, rule, node)
            path = narrowed or _path(program, rule, node)
            if path is not None:
                found.add(path)
                # What stands in brackets, and object.get's default, are expressions of their own; the chain itself is done with.
                open_nodes.extend(node["Call"]["params"][1:] if narrowed else _indexes(node))
                continue
        open_nodes.extend(children(node))
    return found


def _path(program: Program, rule: Rule, node: Node) -> Path | None:
    found = reference(node)
    if found is None or found.name is None:
        return None
    return program.resolve(rule.module, found.name, found.literal)


def _indexes(node: Node) -> list[Node]:
    found = reference(node)
    return [segment for segment in found.segments if not isinstance(segment, str)] if found else []


def _object_get(program: Program, rule: Rule, node: Node) -> Path | None:
    """``object.get(input.request, ["params", "n"], 0)`` looks at ``input.request.params.n`` alone."""
    if callee(node) != "object.get" or len(node["Call"]["params"]) != 3:
        return None
    base, keys, _ = node["Call"]["params"]
    found, path, steps = reference(base), _path(program, rule, base), literal_path(keys)
    if found is None or path is None or steps is None or path[0] != "input" or len(found.literal) != len(found.segments):
        return None
    return (*path, *steps)


class Projection:
    """Makes the input document of one hook."""

    __slots__ = ("_hook", "_tree")

    def __init__(self, hook: Hook, paths: frozenset[Path]) -> None:
        self._hook = hook.value
        self._tree: dict[str, Any] | None = {} if () not in paths else None
        for path in paths - {()}:
            _plant(self._tree, path)

    def document(self, parts: Mapping[str, Any]) -> bytes:
        """The projected input as JSON. A value anywhere in ``parts`` may be a callable without parameters: it is called only if the policy refers to it.

        Raises:
            InputError: It holds what is not JSON (NaN, text that is not Unicode, an unknown type), or more than a policy may be asked about.
        """
        everything = {**parts, "schema": SCHEMA, "hook": self._hook}
        projected = everything if self._tree is None else {name: _take(everything[name], tree) for name, tree in self._tree.items() if name in everything}
        called: list[Any] = []
        try:
            document = orjson.dumps(projected, default=partial(_plain, called), option=orjson.OPT_NON_STR_KEYS)  # for keys that are members of a StrEnum
        except TypeError as error:  # orjson's own error is one, also where a callable raised
            raise InputError("the input is not JSON", repaired(projected)) from error
        if len(document) > _LOOK_CLOSER_BYTES or b"null" in document:
            _examine([projected, *called], document)
        return document


def _plant(tree: dict[str, Any] | None, path: Path) -> None:
    for step in path[:-1]:
        if tree is None:
            return
        tree = tree.setdefault(step, {})
    if tree is not None:
        tree[path[-1]] = None


def _take(value: Any, tree: dict[str, Any] | None) -> Any:
    """The part of ``value`` that ``tree`` names; ``None`` names all of it. A callable is left for later, with its part of the tree."""
    if tree is None:
        return value
    if isinstance(value, _MAPPINGS):
        return {name: value[name] if below is None else _take(value[name], below) for name, below in tree.items() if name in value}
    if callable(value):
        return partial(_take_called, value, tree)
    return value


def _take_called(value: Callable[[], Any], tree: dict[str, Any]) -> Any:
    return _take(value(), tree)


def _plain(called: list[Any], value: Any) -> Any:
    """What orjson does not know by itself, as something that it knows."""
    if callable(value):
        value = value()
        called.append(value)
        return value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    raise TypeError


def _examine(values: list[Any], document: bytes) -> None:
    """Refuse what would decide wrongly or run long. orjson writes NaN and infinity as ``null``, so they are looked for in the values."""
    if len(document) > MAX_BYTES:
        raise InputError(f"the input is longer than {MAX_BYTES} bytes")
    layer, depth = values, 0
    while layer:
        below: list[Any] = []
        most = MAX_ITEMS if depth < _DEEP else MAX_DEEP_ITEMS
        for value in (value for value in layer if type(value) not in _ATOMS):
            if isinstance(value, float) and not isfinite(value):
                raise InputError("the input holds a number that is not finite", document)
            if isinstance(value, (dict, list, tuple, Mapping)):
                if len(value) > most:
                    raise InputError(f"the input has more than {most} entries in one place", document if len(document) < 65_536 else b"{}")
                below.extend(_items(value))
        layer, depth = below, depth + 1


def _items(container: Any) -> Any:
    return container.values() if isinstance(container, _MAPPINGS) else container


def repaired(value: Any) -> bytes:
    """``value`` as JSON for the record, whatever it holds: lone surrogates are replaced, what is not JSON is named by its type."""
    try:
        return orjson.dumps(_repair(value, 0))
    except TypeError:
        return b"{}"


def _repair(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if depth > 100:
        return "too deep"
    if isinstance(value, Mapping):
        return {_repair(str(name), 0): _repair(item, depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_repair(item, depth + 1) for item in value]
    return value if value is None or isinstance(value, (bool, float)) else f"not shown: {type(value).__name__}"
