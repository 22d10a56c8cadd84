"""The keywords that apply subschemas, as jsonschema calls them: each yields the faults of its subschemas, or one of its own.

``anyOf``, ``oneOf``, ``not`` and ``contains`` fail at their own place. The faults inside them would tell the model about a branch that it did not mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.capabilities.schemas.descent import Faults, descend, holds
from gateway.capabilities.schemas.model import Run, forbids
from gateway.capabilities.schemas.unevaluated import evaluated_items, evaluated_properties

Applies = Callable[[Any, Any, Any, Any], Faults]
"""Given the validator, the keyword's value, the answer's value and the schema that has the keyword. Raises ``OutOfSteps``."""


def _reference(validator: Any, value: Any, it: Any, _: Any) -> Faults:
    return descend(validator, it, value)


def _all_of(validator: Any, value: list[Any], it: Any, _: Any) -> Faults:
    for schema in value:
        yield from descend(validator, it, schema)


def _any_of(validator: Any, value: list[Any], it: Any, _: Any) -> Faults:
    for schema in value:
        if holds(validator, it, schema):
            return
    yield validator.format_checker.fault()


def _one_of(validator: Any, value: list[Any], it: Any, _: Any) -> Faults:
    met = 0
    for schema in value:
        met += holds(validator, it, schema)
        if met > 1:
            break
    if met != 1:
        yield validator.format_checker.fault()


def _not(validator: Any, value: Any, it: Any, _: Any) -> Faults:
    if holds(validator, it, value):
        yield validator.format_checker.fault()


def _if(validator: Any, value: Any, it: Any, schema: Any) -> Faults:
    branch = "then" if holds(validator, it, value) else "else"
    if branch in schema:
        yield from descend(validator, it, schema[branch])


def _dependent_schemas(validator: Any, value: Mapping[str, Any], it: Any, _: Any) -> Faults:
    if type(it) is not dict:
        return
    validator.format_checker.spend(len(value) >> 4)
    for name, schema in value.items():
        if name in it:
            yield from descend(validator, it, schema)


def _dependencies(validator: Any, value: Mapping[str, Any], it: Any, schema: Any) -> Faults:
    yield from _dependent_schemas(validator, {name: inner for name, inner in value.items() if type(inner) is not list}, it, schema)
    for name, needed in value.items():
        if type(it) is dict and type(needed) is list and name in it and not set(needed) <= it.keys():
            yield validator.format_checker.fault()
            return


def _properties(validator: Any, value: Mapping[str, Any], it: Any, _: Any) -> Faults:
    if type(it) is not dict:
        return
    validator.format_checker.spend(len(value) >> 4)
    for name, schema in value.items():
        if name in it:
            yield from descend(validator, it[name], schema)


def _pattern_properties(validator: Any, value: Any, it: Any, _: Any) -> Faults:
    if type(it) is not dict:
        return
    for name, inner in it.items():
        for schema in value.matching(name, validator.format_checker):
            yield from descend(validator, inner, schema)


def _additional_properties(validator: Any, value: Any, it: Any, schema: Any) -> Faults:
    if type(it) is not dict:
        return
    run: Run = validator.format_checker
    run.spend(len(it) >> 4)
    named, patterns = schema.get("properties", ()), schema.get("patternProperties")
    for name, inner in it.items():
        if name in named or (patterns and patterns.matching(name, run)):
            continue
        if forbids(value):
            yield run.fault()
            return
        yield from descend(validator, inner, value)


def _property_names(validator: Any, value: Any, it: Any, _: Any) -> Faults:
    if type(it) is dict:
        for name in it:
            yield from descend(validator, name, value)


def _each(validator: Any, items: list[Any], schema: Any) -> Faults:
    if not items or schema is True or not schema:
        return
    if forbids(schema):
        yield validator.format_checker.fault()
        return
    for item in items:
        yield from descend(validator, item, schema)


def _prefix_items(validator: Any, value: list[Any], it: Any, _: Any) -> Faults:
    if type(it) is list:
        for schema, item in zip(value, it, strict=False):
            yield from descend(validator, item, schema)


def _items(validator: Any, value: Any, it: Any, schema: Any) -> Faults:
    if type(it) is list:
        yield from _each(validator, it[len(schema.get("prefixItems", ())) :], value)


def _items_before_2020(validator: Any, value: Any, it: Any, schema: Any) -> Faults:
    if type(value) is list:
        yield from _prefix_items(validator, value, it, schema)
    elif type(it) is list:
        yield from _each(validator, it, value)


def _additional_items(validator: Any, value: Any, it: Any, schema: Any) -> Faults:
    first = schema.get("items")
    if type(it) is list and type(first) is list:
        yield from _each(validator, it[len(first) :], value)


def _contains(validator: Any, value: Any, it: Any, schema: Any) -> Faults:
    """The faults of ``minContains`` and ``maxContains`` too, which mean nothing without it."""
    if type(it) is not list:
        return
    least, most = schema.get("minContains", 1), schema.get("maxContains", len(it))
    met = 0
    for item in it:
        met += holds(validator, item, value)
        if met > most or (met >= least and most >= len(it)):
            break
    if met > most:
        yield validator.format_checker.fault(validator="maxContains")
    elif met < least:
        yield validator.format_checker.fault(validator="minContains" if "minContains" in schema else "contains")


def _contains_draft7(validator: Any, value: Any, it: Any, _: Any) -> Faults:
    return _contains(validator, value, it, {})


def _unevaluated_properties(validator: Any, value: Any, it: Any, schema: Any) -> Faults:
    if type(it) is not dict:
        return
    evaluated = evaluated_properties(validator, it, schema, own="unevaluatedProperties")
    for name, inner in it.items():
        if name not in evaluated and not holds(validator, inner, value):
            yield validator.format_checker.fault()
            return


def _unevaluated_items(validator: Any, value: Any, it: Any, schema: Any) -> Faults:
    if type(it) is not list:
        return
    evaluated = evaluated_items(validator, it, schema, own="unevaluatedItems")
    for at, item in enumerate(it):
        if at not in evaluated and not holds(validator, item, value):
            yield validator.format_checker.fault()
            return


_COMMON: dict[str, Applies] = {
    "$ref": _reference,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
}
_LATER: dict[str, Applies] = {
    "contains": _contains,
    "dependentSchemas": _dependent_schemas,
    "unevaluatedProperties": _unevaluated_properties,
    "unevaluatedItems": _unevaluated_items,
}
_EARLIER: dict[str, Applies] = {"items": _items_before_2020, "additionalItems": _additional_items}

APPLICATORS: dict[str, dict[str, Applies]] = {
    "draft7": {**_COMMON, **_EARLIER, "contains": _contains_draft7, "dependencies": _dependencies},
    "2019-09": {**_COMMON, **_LATER, **_EARLIER, "$recursiveRef": _reference},
    "2020-12": {**_COMMON, **_LATER, "items": _items, "prefixItems": _prefix_items, "$dynamicRef": _reference},
}
"""By dialect. The value of a reference is the schema that it refers to (``references``)."""
