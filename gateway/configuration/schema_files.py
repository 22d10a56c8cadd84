"""The schemas of the config as JSON, from its own text or from files beside it. Whether they are good schemas is found out where they are compiled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from gateway.configuration.problems import Where
from gateway.configuration.source import Document
from gateway.domain import Json

MAX_BYTES = 1 << 20


class _BadFileError(Exception):
    """A file cannot be used: where in it, if anywhere, and what is wrong."""


def read_schemas(document: Document) -> dict[str, Json]:
    """Every schema that can be read, by name; each that cannot is noted in ``document``."""
    sources = document.data.get("schemas")
    schemas: dict[str, Json] = {}
    for name, source in sources.items() if isinstance(sources, Mapping) else ():
        where: Where = ("schemas", name)
        if isinstance(source, Mapping):
            schemas[name] = as_json(source)
        elif isinstance(source, str) and source.strip() and "\0" not in source:  # anything else is left to the shape
            try:
                schemas[name] = _read(document.path.parent / source)
            except _BadFileError as error:
                document.problem(where, f"{source}{error}")
    return schemas


def as_json(value: Any) -> Any:
    """A plain value of the config as JSON has it: lists for tuples."""
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    return [as_json(inner) for inner in value] if isinstance(value, tuple) else value


def _read(path: Path) -> Json:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _BadFileError(": no such file") from None
    except OSError as error:
        raise _BadFileError(f": cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise _BadFileError(f": is larger than {MAX_BYTES} bytes")
    try:
        schema = json.loads(raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _BadFileError(f":{line}: is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _BadFileError(f":{error.lineno}:{error.colno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise _BadFileError(": is nested too deeply") from None
    if not isinstance(schema, dict):
        raise _BadFileError(":1: must hold an object, which is what a schema of the config is")
    return schema


def _object(pairs: list[tuple[str, Any]]) -> Json:
    """An object whose keys differ: of two alike, one would silently not count."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _BadFileError(f": has the key '{next(key for key in keys if keys.count(key) > 1)}' twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise _BadFileError(f": has {name}, which is not JSON")
