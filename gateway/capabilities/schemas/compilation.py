"""From a schema to the form of it that is run: checked, its references resolved, its patterns and values made ready to look up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.capabilities.schemas import references
from gateway.capabilities.schemas.library import Dialect
from gateway.capabilities.schemas.model import FALSE, PATTERN_BYTES, SCHEMA_PATTERNS, SchemaProblem, shortened, step_into
from gateway.capabilities.schemas.patterns import Pattern, PatternError, PatternProperties
from gateway.capabilities.schemas.structure import Structure
from gateway.capabilities.schemas.values import Values


def compiled(document: Any, dialect: Dialect) -> Structure:
    """The schema in ``document``, which is changed, as ``Dialect.validator`` takes it. Raises ``SchemaProblem``."""
    dialect.check(document, "")
    if type(document) is bool:
        document = {} if document else {FALSE: True}
    structure = Structure(document, dialect.keywords)
    references.resolve(structure, dialect.check)
    _refuse_data(structure)
    for schema in structure.schemas:
        _prune(schema, dialect)
    references.refuse_loops(structure)
    _Preparation(structure).prepare()
    return structure


def _refuse_data(structure: Structure) -> None:
    """What is compared with an answer, or holds schemas by name, cannot be a schema itself: it is rewritten for its own use."""
    data = {id(part) for schema in structure.schemas for keyword in ("enum", "const") for part in _parts(schema.get(keyword))}
    for schema in structure.schemas:
        if id(schema) in data or id(schema) in structure.maps:
            raise SchemaProblem(shortened(structure.where(schema)), "is referred to as a schema, which it is not")


def _parts(value: Any) -> Iterator[Any]:
    pending = [value]
    while pending:
        part = pending.pop()
        if type(part) in {dict, list}:
            yield part
            pending.extend(part.values() if type(part) is dict else part)


def _prune(schema: dict[str, Any], dialect: Dialect) -> None:
    """Keep what means something: jsonschema reads a nested ``$schema`` and ``$id`` as a change of dialect and base, and looks at every key on every check."""
    kept = dialect.keywords | {FALSE}
    if dialect.references_stand_alone and "$ref" in schema:
        kept = frozenset({"$ref"})
    for keyword in schema.keys() - kept:
        del schema[keyword]


class _Preparation:
    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        self._patterns: dict[str, Pattern] = {}

    def prepare(self) -> None:
        for schema in self._structure.schemas:
            if "enum" in schema:
                schema["enum"] = Values(schema["enum"])
            if "const" in schema:
                schema["const"] = Values([schema["const"]])
            where = self._structure.where(schema)
            if "pattern" in schema:
                schema["pattern"] = self._pattern(schema["pattern"], step_into(where, "pattern"))
            if "patternProperties" in schema:
                self._pattern_properties(schema, step_into(where, "patternProperties"))

    def _pattern_properties(self, schema: dict[str, Any], where: str) -> None:
        value = schema["patternProperties"]
        schema["patternProperties"] = PatternProperties(value, [self._pattern(source, step_into(where, source)) for source in value])

    def _pattern(self, source: str, where: str) -> Pattern:
        known = self._patterns.get(source)
        if known is not None:
            return known
        if len(self._patterns) >= SCHEMA_PATTERNS:
            raise SchemaProblem(shortened(where), f"is one of over {SCHEMA_PATTERNS} patterns; use fewer")
        try:
            pattern = self._patterns[source] = Pattern(source)
        except PatternError as error:
            raise SchemaProblem(shortened(where), str(error)) from None
        self._structure.pattern_bytes += pattern.memory
        if self._structure.pattern_bytes > PATTERN_BYTES:
            raise SchemaProblem(shortened(where), "needs more memory than is left for it beside the schema's other patterns; use fewer, or shorter repetitions")
        return pattern
