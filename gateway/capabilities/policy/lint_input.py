"""Paths of the input that there are not, and comparisons that can never hold, by the published schemas of the hooks that ask a rule."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from gateway.capabilities.policy.bindings import bindings
from gateway.capabilities.policy.contract_forms import Schema
from gateway.capabilities.policy.contract_schemas import input_schema
from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.syntax import Node, Program, Rule, callee, literal_path, reference
from gateway.domain import Hook

_LITERALS = {"String": str, "RawString": str, "Number": float, "Bool": bool, "Null": type(None)}
_KINDS: dict[str, tuple[type, ...]] = {"string": (str,), "number": (float,), "integer": (float,), "boolean": (bool,), "null": (type(None),)}


class _Known(NamedTuple):
    """What is known of a value: how it is reached, and the schemas that it may have; none means that there is no such value."""

    path: str
    schemas: tuple[Schema, ...]


class InputLint:
    """Looks at one rule at a time, for the hooks that reach it."""

    def __init__(self, program: Program, rule: Rule, hooks: Iterable[Hook]) -> None:
        self._program = program
        self._rule = rule
        self._hooks = tuple(sorted(hooks)) or tuple(Hook)
        self._bound = bindings(rule)
        self._looking: set[str] = set()
        self._found: list[Problem] = []

    def problems(self) -> list[Problem]:
        """References to what no hook that reaches the rule has."""
        for node, _ in self._rule.uses():
            self._known(node)
        for node in self._rule.nodes:
            if "Call" in node:
                self._known(node)
        return [problem for problem in self._found if not problem.warning]

    def never(self, node: Node) -> Problem | None:
        """Why a condition can never hold, if it cannot: ``input.subject.kind == "robot"``, ``1 == 2``, ``false``."""
        expression = node.get("Expr", {}).get("expr", {})
        if expression.get("Bool", {}).get("value") is False:
            return self._warning(expression, "this condition never holds", "remove the rule, or the condition")
        compared = expression.get("BoolExpr")
        if compared is None or compared["op"] != "Eq":
            return None
        for one, other in ((compared["lhs"], compared["rhs"]), (compared["rhs"], compared["lhs"])):
            kind = next(iter(one))
            if kind in _LITERALS:
                return self._differs(expression, one[kind].get("value"), _LITERALS[kind], other)
        return None

    def _differs(self, expression: Node, value: Any, kind: type, other: Node) -> Problem | None:
        literal = next(iter(other))
        if literal in _LITERALS:
            same = _LITERALS[literal] is kind and other[literal].get("value") == value
            return None if same else self._warning(expression, "this condition never holds", "compare with something that can be so")
        known = self._known(other)
        schemas = [one for schema in known.schemas for one in _alternatives(schema)] if known else []
        if known is None or any(_admits(schema, value, kind) for schema in schemas):
            return None
        return self._warning(expression, f"{known.path} is never equal to this", _instead(schemas, kind))

    def _warning(self, node: Node, what: str, hint: str) -> Problem:
        return Problem(self._rule.module.file, *self._rule.module.place(node), what, hint, "never-true", warning=True)

    def _known(self, node: Node) -> _Known | None:
        """What is known of an expression; ``None`` where nothing is."""
        if "Call" in node:
            return self._of_get(node)
        found = reference(node)
        if found is None or found.name is None:
            return None
        segments: list[Any] = list(found.segments)
        known = self._root(found.name, segments)
        return self._stepped(node, known, segments) if known else None

    def _of_get(self, node: Node) -> _Known | None:
        """``object.get(input, ["request", "tools"], [])``: what it looks for has to be there to be found; what it gives may be the default."""
        arguments = node["Call"]["params"]
        keys = literal_path(arguments[1]) if callee(node) == "object.get" and len(arguments) == 3 else None
        base = self._known(arguments[0]) if keys else None
        if base is not None and keys is not None:
            self._stepped(arguments[0], base, list(keys))
        return None

    def _root(self, name: str, segments: list[Any]) -> _Known | None:
        """The value that a reference begins with; an import's own steps go before ``segments``."""
        if name in self._bound:
            return self._local(name)
        path = self._program.resolve(self._rule.module, name, ())
        if path is None or path[0] != "input":
            return None
        segments[:0] = path[1:]
        return _Known("input", tuple(input_schema(hook) for hook in self._hooks))

    def _local(self, name: str) -> _Known | None:
        bound = self._bound[name]
        if len(bound) != 1 or name in self._looking:
            return None
        node, each = bound[0]
        if node is None:
            return None
        self._looking.add(name)
        known = self._known(node)
        self._looking.discard(name)
        return _each(known) if known and each else known

    def _stepped(self, node: Node, known: _Known, segments: list[Any]) -> _Known | None:
        for at, segment in enumerate(segments):
            following = tuple(_step(known.schemas, segment))
            path = f"{known.path}.{segment}" if isinstance(segment, str) else f"{known.path}[_]"
            if not following:
                self._missing(node, known, path, [path, *(part if isinstance(part, str) else "[_]" for part in segments[at + 1 :])])
                return None
            known = _Known(path, following)
        return known

    def _missing(self, node: Node, known: _Known, path: str, whole: list[str]) -> None:
        others = [hook for hook in Hook if hook not in self._hooks and path in _paths(hook)]
        if others:
            what, hint = f"the {' and the '.join(self._hooks)} hook has no {path}", f"only the {others[0]} hook has it"
        else:
            what, hint = f"the input has no {path}", self._nearest(known, path, whole)
        problem = Problem(self._rule.module.file, *self._rule.module.place(node), what, hint, "input-unknown")
        if problem not in self._found:
            self._found.append(problem)

    def _nearest(self, known: _Known, path: str, whole: list[str]) -> str:
        paths = sorted({path for hook in self._hooks for path in _paths(hook)})
        for asked in (path, ".".join(whole)):
            close = difflib.get_close_matches(asked, paths, n=1, cutoff=0.8)
            if close:
                return f"did you mean {close[0]}?"
        names = sorted({name for schema in known.schemas for one in _alternatives(schema) for name in one.get("properties", ())})
        close = difflib.get_close_matches(path.rpartition(".")[2], names, n=1, cutoff=0.6)
        if close:
            return f"did you mean {known.path}.{close[0]}?"
        return f"{known.path} has {', '.join(names)}" if names else f"{known.path} has no fields"


def _each(known: _Known) -> _Known | None:
    schemas = tuple(_step(known.schemas, None))
    return _Known(f"{known.path}[_]", schemas) if schemas else None


def _alternatives(schema: Schema) -> list[Schema]:
    several: list[Schema] = schema.get("anyOf", [schema])
    return several


def _step(schemas: Iterable[Schema], segment: Any) -> Iterator[Schema]:
    """What is below: at a name, or (``segment`` is no text) at any or a computed place. Nothing where there cannot be anything."""
    for schema in (one for several in schemas for one in _alternatives(several)):
        kind = schema.get("type")
        if kind is None:
            yield {}
        elif kind == "array" and not isinstance(segment, str):
            yield schema["items"]
        elif kind == "object":
            yield from _below(schema, segment)


def _below(schema: Schema, segment: Any) -> Iterator[Schema]:
    fields, others = schema.get("properties", {}), schema["additionalProperties"]
    if not isinstance(segment, str):
        yield from fields.values()
    if segment_known := isinstance(segment, str) and segment in fields:
        yield fields[segment]
    if others is not False and not segment_known:
        yield others


def _instead(schemas: Iterable[Schema], kind: type) -> str:
    """What a value can be."""
    values = [str(value) for schema in schemas for value in schema.get("enum", ())]
    if values and kind is str:
        return f"it is one of {', '.join(values)}"
    return f"it is {' or '.join(sorted({str(schema['type']) for schema in schemas}))}"


def _admits(schema: Schema, value: Any, kind: type) -> bool:
    stated = schema.get("type")
    return stated is None or (kind in _KINDS.get(stated, ()) and ("enum" not in schema or value in schema["enum"]))


@cache
def _paths(hook: Hook) -> frozenset[str]:
    """Every path that a hook's schema names."""
    return frozenset(_named(input_schema(hook), "input"))


def _named(schema: Schema, path: str) -> Iterator[str]:
    for one in _alternatives(schema):
        for name, below in one.get("properties", {}).items():
            yield f"{path}.{name}"
            yield from _named(below, f"{path}.{name}")
        if "items" in one:
            yield from _named(one["items"], f"{path}[_]")
