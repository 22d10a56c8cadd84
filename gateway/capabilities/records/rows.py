"""Checks of one row on its own: do its columns say what its hashed body says, and is its content the one that was digested."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from gateway.capabilities.records.chain import digest, filter_value
from gateway.capabilities.records.entries import CLOSED, OPENED
from gateway.domain import Json
from gateway.infrastructure.database_ledger import EntryRow

_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("tenant", "writer", "intent_id", "kind"), (str,)),
    **dict.fromkeys(("state", "route"), (str, type(None))),
    **dict.fromkeys(("body", "hash"), (bytes,)),
    **dict.fromkeys(("salt", "content"), (bytes, type(None))),
    "seq": (int,),
    "expires_ns": (int, type(None)),
}
_REPEATED = ("tenant", "writer", "seq", "intent_id", "kind", "expires_ns")
_BODY_KEYS = frozenset({*_REPEATED, "at_ns", "digests", "facts"})


class Checked(NamedTuple):
    """What a row showed.

    ``mistyped``: columns that hold what they never could, so that nothing can be computed of them. ``emptied``: it has digests but neither content
    nor salt, so an ``erased`` entry must account for it.
    """

    body: Json | None
    problems: list[str]
    mistyped: frozenset[str] = frozenset()
    emptied: bool = False


def check_row(row: EntryRow) -> Checked:
    """Judge a row without its neighbours."""
    wrong = [name for name, value in row._asdict().items() if not isinstance(value, _TYPES[name])]
    if wrong:
        return Checked(None, [f"column {name} holds a {type(getattr(row, name)).__name__}" for name in wrong], mistyped=frozenset(wrong))
    body = parse_body(row.body)
    if body is None:
        return Checked(None, ["the body is not that of an entry"])
    said = {name: body[name] for name in _REPEATED}
    said |= {name: filter_value(body["facts"].get(name)) if row.kind == kind else None for name, kind in (("state", CLOSED), ("route", OPENED))}
    problems = [f"column {name} differs from the hashed body" for name, value in said.items() if value != getattr(row, name)]
    emptied = bool(body["digests"]) and row.salt is None and row.content is None
    return Checked(body, problems if emptied else problems + _content_problems(row, body["digests"]), emptied=emptied)


def parse_body(raw: bytes) -> Json | None:
    """The body of an entry, ``None`` if it is not one."""
    try:
        body = orjson.loads(raw)
    except ValueError:  # a body that somebody made text is no body either: orjson refuses lone surrogates with the same class
        return None
    if not isinstance(body, dict) or body.keys() != _BODY_KEYS or not isinstance(body["facts"], dict) or not isinstance(body["digests"], dict):
        return None
    return body


def _content_problems(row: EntryRow, digests: dict[str, Any]) -> list[str]:
    if not digests:
        return ["content or salt was added"] if row.salt is not None or row.content is not None else []
    if row.salt is None:
        return ["the salt is gone but the content is not"]
    if row.content == b"" or digests.get("content") != digest(row.salt, row.content):
        return ["content or salt is not what was digested"]
    return []
