"""Places in a policy's input: ``findings[0].count`` read, looked up in the contract, and a value put there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

import orjson

from gateway.capabilities.policy.contract_forms import Schema
from gateway.capabilities.policy.contract_schemas import input_schema
from gateway.domain import Hook

Steps: TypeAlias = tuple[str | int, ...]

MAX_CHARS: Final = 500
_STEP: Final = re.compile(r"""(?:\A|\.)(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>[0-9]{1,4})\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]""")
_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_FIXED: Final = frozenset({"schema", "hook"})
"""The gateway says these of every input of a hook."""
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


class PathError(Exception):
    """A path or a value that the contract does not know; ``str()`` says which and what there is instead."""


class _Nothing:
    """The absence of a value."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING: Final = _Nothing()
"""What stands where there is no value: a change from or to it adds or removes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the contract says of a place."""

    types: frozenset[str]
    """Of JSON Schema; empty for anything."""
    schema: Schema

    def takes(self, value: Any) -> bool:
        """Whether the contract knows such a value there. Of lists and objects only the type is looked at."""
        if not self.types:
            return True
        if isinstance(value, bool):
            return "boolean" in self.types
        if not any(isinstance(value, _TYPES[name]) for name in self.types):
            return False
        enum = self.schema.get("enum")
        if isinstance(value, (int, float)):
            return bool(self.schema.get("minimum", value) <= value <= self.schema.get("maximum", value))
        return enum is None or value is None or value in enum

    def __str__(self) -> str:
        """Name what it takes."""
        enum = self.schema.get("enum")
        return " or ".join(sorted(self.types)) + (f" ({', '.join(enum)})" if enum else "")


def form_of(schema: Schema) -> Form:
    """What a schema of the contract says; of an ``anyOf`` the branch that is not ``null``."""
    branches = schema.get("anyOf", [schema])
    inner = next((branch for branch in branches if branch.get("type") != "null"), schema)
    return Form(types=frozenset(branch["type"] for branch in branches if "type" in branch), schema=inner)


def parse_path(text: str) -> tuple[Steps, str]:
    """The steps of the path at the beginning of ``text`` and what comes after it. A leading ``input.`` is taken off.

    Raises:
        PathError: It does not begin with a path.
    """
    steps: list[str | int] = []
    at = 0
    while (found := _STEP.match(text, at)) is not None:
        if found["quoted"]:
            steps.append(orjson.loads(found["quoted"]))
        else:
            steps.append(found["name"] or int(found["index"]))
        at = found.end()
    if len(steps) > 1 and steps[0] == "input":
        steps = steps[1:]
    if not steps or isinstance(steps[0], int) or text.startswith("."):
        raise PathError(f'{text[:MAX_CHARS]!r} begins with no path: write one such as request.route, subject.teams[0] or request.params["top p"]')
    return tuple(steps), text[at:]


def shown(steps: Steps) -> str:
    """A path as people write it."""
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" if _BARE.fullmatch(step) else f"[{orjson.dumps(step).decode()}]" for step in steps]
    return "".join(parts).removeprefix(".")


def form_at(hook: Hook, steps: Steps) -> Form:
    """What the contract says of a place.

    Raises:
        PathError: There is no such place in the inputs of the hook, or it is not one to set; with the nearest that there is.
    """
    if steps[0] in _FIXED:
        raise PathError(f"{shown(steps)} cannot be set: it is the same in every input of the hook {hook}")
    schema = input_schema(hook)
    for at, step in enumerate(steps):
        below = _below(form_of(schema), step)
        if below is None:
            raise PathError(f"there is no {shown(steps[: at + 1])} in the input of the hook {hook}{_nearest(hook, steps)}")
        schema = below
    return form_of(schema)


def _below(form: Form, step: str | int) -> Schema | None:
    schema: Schema = form.schema
    if not form.types:
        return {}
    if isinstance(step, int):
        return schema.get("items", {}) if schema.get("type") == "array" else None
    if schema.get("type") != "object":
        return None
    known: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", False)
    return known.get(step, others if isinstance(others, dict) else None)


def _nearest(hook: Hook, steps: Steps) -> str:
    known = list(_known(input_schema(hook), ""))
    near = get_close_matches(re.sub(r"\[\d+\]", "[0]", shown(steps)), known, 1, 0.5)
    return f"; did you mean {near[0]}?" if near else f"; its sections are {', '.join(sorted(input_schema(hook)['properties']))}"


def _known(schema: Schema, path: str) -> Iterator[str]:
    inner = form_of(schema).schema
    if path:
        yield path
    for name, below in inner.get("properties", {}).items():
        if path or name not in _FIXED:
            yield from _known(below, f"{path}.{name}" if path else name)
    if inner.get("items"):
        yield from _known(inner["items"], f"{path}[0]")


def parse_value(text: str, form: Form) -> Any:
    """The value that a person wrote: JSON, or bare text. Where the contract has text there, ``123`` is text, too.

    Raises:
        PathError: The contract does not know such a value there.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    if "string" in form.types and not form.takes(value):
        value = text
    if not form.takes(value):
        raise PathError(f"the contract has {form} there")
    return value


def found_at(document: Any, steps: Steps) -> Any:
    """What stands at a place; ``NOTHING`` where there is nothing."""
    for step in steps:
        in_object = isinstance(document, dict) and step in document
        if not in_object and not (isinstance(document, list) and isinstance(step, int) and step < len(document)):
            return NOTHING
        document = document[step]
    return document


def put(document: Any, steps: Steps, value: Any) -> Any:
    """A copy of ``document`` with ``value`` at a place, the rest shared; ``NOTHING`` removes what is there. What leads to the place is made.

    Raises:
        PathError: The place is behind the end of a list, or within something that is no list or object.
    """
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        return _put_in_list([] if document is NOTHING or document is None else document, step, rest, value)
    if document is NOTHING or document is None:
        document = {}
    if not isinstance(document, dict):
        raise PathError(f"{step!r} cannot be set: what it would be in is no object here")
    if value is NOTHING and not rest:
        return {name: item for name, item in document.items() if name != step}
    return document | {step: put(document.get(step, NOTHING), rest, value)}


def _put_in_list(items: Any, at: int, rest: Steps, value: Any) -> Any:
    if not isinstance(items, list):
        raise PathError(f"[{at}] cannot be set: there is no list here")
    if at > len(items):
        raise PathError(f"[{at}] cannot be set: the list has {len(items)} entries, the next one is [{len(items)}]")
    if value is NOTHING and not rest:
        return items[:at] + items[at + 1 :]
    return [*items[:at], put(items[at] if at < len(items) else NOTHING, rest, value), *items[at + 1 :]]
