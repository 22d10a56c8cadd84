"""The keywords that ask something of a value itself. Each says whether the value is as the keyword wants it; a value of another type always is.

jsonschema's own are not used: they write the answer into their messages, which takes its size in time for each failure, compare each item with each other,
and run patterns on ``re``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.capabilities.schemas.formats import Conforms, conforms
from gateway.capabilities.schemas.model import FALSE, Run
from gateway.capabilities.schemas.patterns import Pattern
from gateway.capabilities.schemas.values import Values, all_differ, is_multiple

Holds = Callable[[Any, Any, Run], bool]
"""Given the keyword's value, the answer's and the run: whether the answer's is as the keyword asks. Raises ``OutOfSteps``."""

_CHARACTERS_PER_STEP = 4
"""Internationalised host names take a microsecond for each character."""
_NUMBERS = {int, float}
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda it: type(it) is str,
    "integer": lambda it: type(it) is int or (type(it) is float and it.is_integer()),
    "number": lambda it: type(it) in _NUMBERS,
    "object": lambda it: type(it) is dict,
    "array": lambda it: type(it) is list,
    "boolean": lambda it: type(it) is bool,
    "null": lambda it: it is None,
}


def _type(value: Any, it: Any, _: Run) -> bool:
    if type(value) is str:
        return _TYPES[value](it)
    return any(_TYPES[name](it) for name in value)


def _required(value: list[str], it: Any, run: Run) -> bool:
    return type(it) is not dict or _all_in(value, it, run)


def _all_in(names: list[str], it: dict[str, Any], run: Run) -> bool:
    run.spend(len(names) >> 4)
    return all(name in it for name in names)


def _dependent_required(value: Mapping[str, list[str]], it: Any, run: Run) -> bool:
    if type(it) is not dict:
        return True
    run.spend(len(value) >> 4)
    return all(_all_in(needed, it, run) for name, needed in value.items() if name in it)


def _pattern(value: Pattern, it: Any, run: Run) -> bool:
    return type(it) is not str or value.found_in(it, run)


def _equals(value: Values, it: Any, run: Run) -> bool:
    return value.has(it, run)


def _unique(value: bool, it: Any, run: Run) -> bool:
    return not value or type(it) is not list or all_differ(it, run)


def _format(conforms_in_library: Conforms) -> Holds:
    def holds(value: str, it: Any, run: Run) -> bool:
        if type(it) is not str:
            return True
        run.spend(min(len(it), 8_192) // _CHARACTERS_PER_STEP)
        return conforms(it, value, conforms_in_library)

    return holds


def _at_least(kind: type[Any]) -> Holds:
    return lambda value, it, _: type(it) is not kind or len(it) >= value


def _at_most(kind: type[Any]) -> Holds:
    return lambda value, it, _: type(it) is not kind or len(it) <= value


_LIMITS: Mapping[str, Holds] = {
    "minLength": _at_least(str),
    "maxLength": _at_most(str),
    "minItems": _at_least(list),
    "maxItems": _at_most(list),
    "minProperties": _at_least(dict),
    "maxProperties": _at_most(dict),
    "minimum": lambda value, it, _: type(it) not in _NUMBERS or it >= value,
    "maximum": lambda value, it, _: type(it) not in _NUMBERS or it <= value,
    "exclusiveMinimum": lambda value, it, _: type(it) not in _NUMBERS or it > value,
    "exclusiveMaximum": lambda value, it, _: type(it) not in _NUMBERS or it < value,
    "multipleOf": lambda value, it, _: type(it) not in _NUMBERS or is_multiple(it, value),
}


def assertions(conforms_in_library: Conforms) -> dict[str, Holds]:
    """The keywords by name, for every dialect; a dialect takes those that it has."""
    return {
        FALSE: lambda _value, _it, _run: False,
        "type": _type,
        "enum": _equals,
        "const": _equals,
        "required": _required,
        "dependentRequired": _dependent_required,
        "pattern": _pattern,
        "format": _format(conforms_in_library),
        "uniqueItems": _unique,
        **_LIMITS,
    }
