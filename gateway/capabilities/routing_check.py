"""What can be wrong with schemas, last resorts and conditions that only those who use them can tell: at start, and for ``gateway check``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from gateway.capabilities.findings.catalogue import CATEGORIES
from gateway.capabilities.schemas.answer_schema import AnswerSchema
from gateway.capabilities.schemas.model import SchemaProblem
from gateway.capabilities.schemas.registry import Schemas
from gateway.settings import Problem, Settings, Where, nearest, parts_of

_Found: TypeAlias = tuple[Where, str, str]
"""Where, what, and a hint."""


def problems_of(settings: Settings) -> list[Problem]:
    """Every schema that does not compile, every last resort that breaks its route's schema, every condition on a category that nothing finds.

    Each with the line of the config that it stands on. The config is read again for that, but only where there are problems.
    """
    compiled: dict[str, AnswerSchema] = {}
    found = [*_schemas(settings, compiled), *_last_resorts(settings, compiled), *_categories(settings)]
    if not found:
        return []
    parts = parts_of(settings.path)
    return [parts.problem(where, what, hint) for where, what, hint in found]


def _schemas(settings: Settings, compiled: dict[str, AnswerSchema]) -> Iterator[_Found]:
    schemas = Schemas(max(1, len(settings.schemas)))
    for name, schema in settings.schemas.items():
        try:
            compiled[name] = schemas.compile(schema.schema)
        except SchemaProblem as problem:
            yield ("schemas", name, *_steps(problem.where)), f"is not a schema that can be used: at {problem.where or 'its root'}: {problem.what}", ""


def _steps(pointer: str) -> Where:
    """A JSON pointer (RFC 6901) as the path of a key. Where the schema stands in a file of its own, the line is that of the schema's name."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return tuple(int(step) if step.isascii() and step.isdigit() else step for step in steps)


def _last_resorts(settings: Settings, compiled: dict[str, AnswerSchema]) -> Iterator[_Found]:
    for route in settings.routes.values():
        schema = compiled.get(route.schema.name) if route.schema else None
        if schema is None or route.last_resort is None:
            continue
        where = ("routes", route.name, "last_resort")
        checked = schema.check(route.last_resort)
        for failure in checked.failures:
            place = f"{failure.where or 'its root'} ({failure.keyword})"
            yield where, f"does not meet the route's schema '{route.schema.name if route.schema else ''}': {place}", ""
        if checked.extracted is not None:
            yield where, "has text around its JSON", "it is given as it stands: write the JSON alone, or a mapping"


def _categories(settings: Settings) -> Iterator[_Found]:
    """A category that nobody finds would let everything through, so a slip of the pen here must not pass."""
    added = {category for tenant in settings.tenants.values() for category in (*tenant.redaction.patterns, *tenant.redaction.words)}
    known = CATEGORIES | added
    for route in settings.routes.values():
        unknown = {category for entry in route.targets for category in entry.when.without} - known
        for category in sorted(unknown):
            yield ("routes", route.name, "targets"), f"no category named '{category}' is ever found, as when.without has it", nearest(category, known)
