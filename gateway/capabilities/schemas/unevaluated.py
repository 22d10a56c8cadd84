"""Which properties or items of a value a schema has looked at: what ``unevaluatedProperties`` and ``unevaluatedItems`` leave out.

What ``allOf`` and references say is taken as met: where it is not, they report it themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.capabilities.schemas.descent import holds

_ALWAYS = ("$ref", "$dynamicRef", "$recursiveRef")
_ALL_PROPERTIES = ("additionalProperties", "unevaluatedProperties")


def evaluated_properties(validator: Any, it: dict[str, Any], schema: Any, own: str = "") -> set[str]:
    """Names of the properties. ``own`` is the keyword that asks. Raises ``OutOfSteps``."""
    if type(schema) is not dict:
        return set()
    run = validator.format_checker
    run.spend(1 + (len(it) >> 4))
    for keyword in _ALL_PROPERTIES:
        if keyword in schema and keyword != own:
            return set(it)
    found = {name for name in it if name in schema.get("properties", ())}
    if patterns := schema.get("patternProperties"):
        found |= {name for name in it if patterns.matching(name, run)}
    for inner in _that_apply(validator, it, schema):
        found |= evaluated_properties(validator, it, inner)
    return found


def evaluated_items(validator: Any, it: list[Any], schema: Any, own: str = "") -> set[int]:
    """Positions of the items. ``own`` is the keyword that asks. Raises ``OutOfSteps``."""
    if type(schema) is not dict:
        return set()
    validator.format_checker.spend(1 + (len(it) >> 4))
    items = schema.get("items")
    rest = "additionalItems" if type(items) is list else "items"
    if rest in schema or ("unevaluatedItems" in schema and own != "unevaluatedItems"):
        return set(range(len(it)))
    found = set(range(min(len(it), len(items or schema.get("prefixItems", ())))))
    if "contains" in schema:
        found |= {at for at, item in enumerate(it) if holds(validator, item, schema["contains"])}
    for inner in _that_apply(validator, it, schema):
        found |= evaluated_items(validator, it, inner)
    return found


def _that_apply(validator: Any, it: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """The subschemas that apply to the same value and are met by it."""
    yield from (schema[keyword] for keyword in _ALWAYS if keyword in schema)
    yield from schema.get("allOf", ())
    for keyword in ("anyOf", "oneOf"):
        yield from (inner for inner in schema.get(keyword, ()) if holds(validator, it, inner))
    if type(it) is dict:
        yield from (inner for name, inner in schema.get("dependentSchemas", {}).items() if name in it)
    if "if" in schema:
        met = holds(validator, it, schema["if"])
        if met:
            yield schema["if"]
        yield schema.get("then" if met else "else", True)
