"""``docs/configuration.md`` lists every key with its type, default and help, as the models have them. ``--write`` renews the list."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.configuration.models import FileShape

BEGIN, END = "<!-- keys: begin (made by `make format`) -->", "<!-- keys: end -->"
DOCUMENT = "docs/configuration.md"


def check(root: Path) -> list[str]:
    path = root / DOCUMENT
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if BEGIN not in text or END not in text:
        return [f"{DOCUMENT}: has no place for the list of keys ({BEGIN} ... {END})"]
    return [] if text == renewed(text) else [f"{DOCUMENT}: is not what the models say; run `make format`"]


def renewed(text: str) -> str:
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


def table() -> str:
    rows = [f"| `{key}` | {kind} | {default} | {text} |" for key, kind, default, text in rows_of(FileShape, "")]
    return "\n".join(["| key | what | default | meaning |", "|---|---|---|---|", *rows])


def rows_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner, named = _inner(field.annotation)
        if inner is None or field.default is None:
            yield key, _kind(field), _default(field), _cell(field.description or "")
        elif named or field.is_required():
            yield key, "mapping", _default(field), _cell(field.description or "")
        if inner is not None:
            yield from rows_of(inner, f"{key}{'[]' if 'tuple' in str(field.annotation) else ''}.{'NAME.' if named else ''}")


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model that a key holds, and whether under names of the operator's choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part, get_origin(annotation) is not None and "Mapping" in str(annotation)
        within = _inner(part)
        if within[0] is not None:
            return within
    return None, False


KINDS = {
    "_reference": "reference",
    "_last_resort": "text, mapping or list",
    "Annotated[int": "whole number",
    "int | None": "whole number",
    "_listen": "HOST:PORT",
    "_url": "URL",
    "Mapping": "mapping",
    "tuple": "list",
    "Shape": "mapping",
    "bool": "true or false",
    "float": "number",
    "'int'": "whole number",
}
"""What a type is called, by a part of how it is written."""


def _kind(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    written = f"{field.annotation} {field.metadata}"
    return next((kind for part, kind in KINDS.items() if part in written), "text")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping | tuple | str) and not value:
        return "empty"
    return f"`{value}`"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    target = Path(DOCUMENT)
    if sys.argv[1:] == ["--write"]:
        target.write_text(renewed(target.read_text(encoding="utf-8")), encoding="utf-8")
