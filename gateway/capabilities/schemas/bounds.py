"""A schema as bytes, within its bounds."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.capabilities.schemas.model import SCHEMA_BYTES, SCHEMA_DEPTH, SCHEMA_NODES, SchemaProblem, shortened, step_into

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def canonical_bytes(schema: object) -> bytes:
    """The same bytes for the same schema in any order of keys, which means nothing in one. Raises ``SchemaProblem``."""
    if type(schema) not in {dict, bool}:
        raise SchemaProblem("", "a schema is an object, true or false")
    try:
        written = orjson.dumps(schema, option=_OPTIONS)
    except TypeError:  # a dict with keys that are no texts, integers beyond 64 bits, lone surrogates, over 254 levels
        raise SchemaProblem("", "is not JSON in UTF-8 with integers of at most 64 bits, or nests too deeply") from None
    if len(written) > SCHEMA_BYTES:
        raise SchemaProblem("", f"has {len(written)} bytes as JSON, at most {SCHEMA_BYTES} are allowed; make it smaller")
    return written


def check_bounds(schema: Any) -> None:
    """Raises ``SchemaProblem`` for one with too many values or levels."""
    nodes = 0
    level: list[tuple[str, Any]] = [("", schema)]
    for _ in range(SCHEMA_DEPTH + 1):
        nodes += len(level)
        if nodes > SCHEMA_NODES:
            raise SchemaProblem("", f"has over {SCHEMA_NODES} values; make it smaller")
        level = [(step_into(pointer, key), inner) for pointer, value in level for key, inner in _inside(value)]
        if not level:
            return
    raise SchemaProblem(shortened(level[0][0]), f"nests over {SCHEMA_DEPTH} levels; move parts of it to $defs")


def _inside(value: Any) -> list[tuple[str | int, Any]]:
    if type(value) is dict:
        return list(value.items())
    return list(enumerate(value)) if type(value) is list else []
