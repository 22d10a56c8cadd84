"""Where the subschemas of a schema stand: found once, before anything is checked with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.capabilities.schemas.model import FALSE, SchemaProblem, shortened, step_into

IN_PLACE = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"})
"""Keywords whose subschemas apply to the same value as the schema that has them."""
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ONE = frozenset(
    {"not", "if", "then", "else", "additionalProperties", "propertyNames", "contains", "unevaluatedItems", "unevaluatedProperties", "additionalItems", "items"}
)
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_MAP = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"})


class Slot(NamedTuple):
    """A place that holds a subschema."""

    holder: Any
    key: Any
    pointer: str


class Structure:
    """The schemas of a document, by identity, with their pointers. Writes the schema ``false`` as one that has a place of its own."""

    def __init__(self, document: dict[str, Any], keywords: frozenset[str]) -> None:
        """``keywords``: those of the dialect, others mean nothing. Raises ``SchemaProblem``."""
        self.keywords = keywords
        self.places: dict[int, str] = {}
        self.schemas: list[dict[str, Any]] = []
        self.anchors: dict[str, dict[str, Any]] = {}
        self.maps: set[int] = set()
        """Objects that hold schemas by name: not schemas, whatever their keys look like."""
        self.pattern_bytes = 0
        """Most bytes of memory that its patterns take, once they are compiled."""
        self.root = document
        self.enter(Slot([document], 0, ""))

    def enter(self, slot: Slot) -> None:
        """Take up the schema there and all in it. Raises ``SchemaProblem``."""
        pending = [slot]
        while pending:
            holder, key, pointer = pending.pop()
            if holder[key] is False:
                holder[key] = {FALSE: True}
            schema = holder[key]
            if type(schema) is not dict or id(schema) in self.places:
                continue
            self.places[id(schema)] = pointer
            self.schemas.append(schema)
            self._name(schema, pointer)
            inner = list(self._slots(schema, pointer))
            pending.extend(reversed(inner))

    def where(self, schema: Any) -> str:
        """The pointer to a schema that was taken up."""
        return self.places[id(schema)]

    def problem(self, schema: Any, keyword: str, what: str) -> SchemaProblem:
        """A problem with a keyword of a schema that was taken up."""
        return SchemaProblem(shortened(step_into(self.where(schema), keyword)), what)

    def _name(self, schema: dict[str, Any], pointer: str) -> None:
        identifier = schema.get("$id")
        if pointer and "$schema" in schema:
            raise self.problem(schema, "$schema", "stands below the root; a schema is of one dialect")
        if pointer and type(identifier) is str and not identifier.startswith("#"):
            raise self.problem(schema, "$id", "stands below the root, which would give its references another base; refer by #/... instead")
        for keyword in ("$anchor", "$dynamicAnchor", "$id"):
            name = schema.get(keyword)
            if type(name) is not str or (keyword == "$id" and not name.startswith("#")):
                continue
            if self.anchors.setdefault(name.removeprefix("#"), schema) is not schema:
                raise self.problem(schema, keyword, "gives a name that stands at another place too")

    def _slots(self, schema: dict[str, Any], pointer: str) -> Iterator[Slot]:
        for keyword in schema.keys() & (self.keywords | {"$defs", "definitions"}):
            value, at = schema[keyword], step_into(pointer, keyword)
            if type(value) is list and keyword in _LIST:
                yield from (Slot(value, index, step_into(at, index)) for index in range(len(value)))
            elif type(value) is dict and keyword in _MAP:
                self.maps.add(id(value))
                yield from (Slot(value, name, step_into(at, name)) for name in value)
            elif keyword in _ONE:
                yield Slot(schema, keyword, at)


def in_place(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The subschemas that apply to the same value, with the keyword that has them. References have to be resolved."""
    for keyword in sorted(schema.keys() & IN_PLACE):
        value = schema[keyword]
        if type(value) is list:
            yield from ((keyword, inner) for inner in value)
        elif type(value) is dict and keyword in _MAP:
            yield from ((keyword, inner) for inner in value.values())
        else:
            yield keyword, value
