"""JSON Schemas in small words: what the contract's schemas are written with, in the part of JSON Schema that OPA's type checker understands."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def text(meaning: str, **limits: Any) -> Schema:
    """A string."""
    return {"type": "string", "description": meaning, **limits}


def one_of(values: Iterable[str] | type[StrEnum], meaning: str) -> Schema:
    """A string out of a few."""
    return {"type": "string", "description": meaning, "enum": [str(value) for value in values]}


def whole(meaning: str, **limits: Any) -> Schema:
    """An integer."""
    return {"type": "integer", "description": meaning, **limits}


def number(meaning: str, **limits: Any) -> Schema:
    """A number that may have a fraction."""
    return {"type": "number", "description": meaning, **limits}


def flag(meaning: str) -> Schema:
    """``true`` or ``false``."""
    return {"type": "boolean", "description": meaning}


def or_null(schema: Schema) -> Schema:
    """``schema`` or ``null``. OPA takes the first of several types alone, so this is an ``anyOf``."""
    inner = {key: value for key, value in schema.items() if key != "description"}
    return {"description": schema["description"], "anyOf": [inner, {"type": "null"}]}


def many(items: Schema, meaning: str, **limits: Any) -> Schema:
    """An array."""
    return {"type": "array", "description": meaning, "items": items, **limits}


def texts(meaning: str) -> Schema:
    """An array of strings."""
    return many({"type": "string"}, meaning)


def table(values: Schema, meaning: str, **limits: Any) -> Schema:
    """An object whose keys are not known beforehand."""
    return {"type": "object", "description": meaning, "additionalProperties": values, **limits}


def section(fields: dict[str, Schema], meaning: str, *, required: Iterable[str] = (), others: Schema | None = None) -> Schema:
    """An object with these fields and no others, or ``others``. OPA takes an object that says nothing of others for one that has none."""
    closed: Schema = {"type": "object", "description": meaning, "properties": fields, "additionalProperties": False if others is None else others}
    return {**closed, "required": list(required)} if required else closed


def document(name: str, title: str, schema: Schema) -> Schema:
    """A schema as a file."""
    return {"$schema": DIALECT, "$id": f"urn:{name.replace('/', ':')}", "title": title, **schema}
