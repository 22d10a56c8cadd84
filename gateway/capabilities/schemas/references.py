"""What the references of a schema mean. A reference is a place or a name in the same document; nothing is ever fetched.

Each is replaced by what it refers to, so that nothing is left to be resolved when an answer is checked. As a document is one schema resource (no ``$id`` stands
below its root), a dynamic reference means what a plain one does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from gateway.capabilities.schemas.model import SCHEMA_DEPTH, SchemaProblem
from gateway.capabilities.schemas.structure import REFERENCES, Slot, Structure, in_place


def resolve(structure: Structure, check: Callable[[Any, str], None]) -> None:
    """Replace every reference. ``check`` raises for a place, outside of where schemas stand, that holds none. Raises ``SchemaProblem``."""
    for schema in structure.schemas:  # grows: what stands outside of the known places is taken up when something refers to it
        for keyword, reference in _references(structure, schema):
            if not reference.startswith("#") and reference:
                raise structure.problem(schema, keyword, "refers to another document; only places in the same one, such as #/$defs/NAME, can be referred to")
            if reference[1:2] in {"", "/"}:
                schema[keyword] = _place(structure, schema, keyword, check)
    for schema in structure.schemas:  # by now all names are known
        for keyword, reference in _references(structure, schema):
            schema[keyword] = structure.anchors.get(unquote(reference[1:]))
            if schema[keyword] is None:
                raise structure.problem(schema, keyword, "refers to a name that no $anchor gives")


def _references(structure: Structure, schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Those that are not replaced yet."""
    return [(keyword, schema[keyword]) for keyword in REFERENCES if keyword in structure.keywords and type(schema.get(keyword)) is str]


def _place(structure: Structure, schema: dict[str, Any], keyword: str, check: Callable[[Any, str], None]) -> Any:
    pointer = unquote(schema[keyword][1:])
    slot = Slot([structure.root], 0, "")
    for token in pointer.split("/")[1:]:
        step = _key(slot.holder[slot.key], token.replace("~1", "/").replace("~0", "~"))
        if step is None:
            raise structure.problem(schema, keyword, "refers to a place that does not exist")
        slot = Slot(slot.holder[slot.key], step, pointer)
    target = slot.holder[slot.key]
    if type(target) not in {dict, bool} or id(target) in structure.maps:
        raise structure.problem(schema, keyword, "refers to a place that is not a schema")
    if id(target) not in structure.places:
        check(target, pointer)
        structure.enter(slot)
        target = slot.holder[slot.key]
    return target


def _key(holder: Any, token: str) -> str | int | None:
    if type(holder) is dict and token in holder:
        return token
    if type(holder) is list and token.isascii() and token.isdigit() and len(token) < 6 and int(token) < len(holder):
        return int(token)
    return None


def refuse_loops(structure: Structure) -> None:
    """Raises ``SchemaProblem`` where a schema applies itself to the same value again, or too many schemas apply through each other."""
    heights: dict[int, int] = {}
    for start in structure.schemas:
        if id(start) not in heights:
            _measure(structure, start, heights)


def _measure(structure: Structure, start: dict[str, Any], heights: dict[int, int]) -> None:
    """Depth first, without recursion: how many schemas lie below each, counted along the longest way."""
    entered: set[int] = set()
    path: list[tuple[dict[str, Any], list[tuple[str, Any]]]] = [(start, list(in_place(start)))]
    entered.add(id(start))
    while path:
        schema, left = path[-1]
        if not left:
            path.pop()
            heights[id(schema)] = 1 + max((heights.get(id(inner), 0) for _, inner in in_place(schema)), default=0)
            if heights[id(schema)] > SCHEMA_DEPTH:
                raise SchemaProblem(structure.where(schema), f"applies over {SCHEMA_DEPTH} schemas to one value through each other; make the chain shorter")
            continue
        keyword, inner = left.pop()
        if type(inner) is not dict or id(inner) in heights:
            continue
        if id(inner) in entered:
            raise structure.problem(schema, keyword, "leads back to the schema itself without going into the value; such a check would never end")
        entered.add(id(inner))
        path.append((inner, list(in_place(inner))))
