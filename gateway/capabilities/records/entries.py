"""What is put on record: one entry of an intent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from gateway.domain import Json

GENESIS, OPENED, CLOSED, CORRECTED, ERASED = "genesis", "opened", "closed", "corrected", "erased"
"""The kinds of entries. ``genesis`` begins a chain and belongs to no intent."""
PARKED, DECIDED, RESUMED = "parked", "decided", "resumed"
"""Kinds of an intent that waited for a person: it waits from ``parked`` until ``resumed`` or ``closed``, and somebody ``decided``, once or several times."""
RUNS: Final[Mapping[str, bool]] = MappingProxyType({OPENED: True, RESUMED: True, PARKED: False, CLOSED: False})
"""Whether a process runs the intent after an entry of a kind; other kinds change nothing of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. ``facts`` and ``digests`` are chained for good; ``content`` can be erased."""

    tenant: str
    intent_id: str
    """Ids that sort by time make listing and inserting cheap; any string works."""
    kind: str
    at_ns: int
    facts: Json = field(default_factory=dict)
    """Plain JSON; tuples, mappings and string enums are taken too."""
    content: bytes | None = None
    """What can be erased: stored beside the body, which holds only its salted digest."""
    digests: Mapping[str, bytes] = field(default_factory=dict)
    """Blobs by name that are digested with the entry's salt and not stored. The name ``content`` is taken."""
    expires_ns: int | None = None
    """When ``erase --expired`` may drop content and salt; ``None`` is never."""


def encode_facts(facts: Json) -> bytes:
    """Facts as canonical JSON: UTF-8, keys sorted. Lone surrogates, which JSON in UTF-8 cannot hold, become ``?``."""
    try:
        return orjson.dumps(facts, default=_plain, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(_cleaned(facts), default=_plain, option=orjson.OPT_SORT_KEYS)


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value) if isinstance(value, tuple) else sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"a record cannot hold a {type(value).__name__}")


def _cleaned(value: Any) -> Any:
    """The same with strings that UTF-8 can hold, and keys that are strings."""
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode("utf-8")
    if is_dataclass(value) and not isinstance(value, type):
        return _cleaned(asdict(value))
    if isinstance(value, Mapping):
        return {_cleaned(key if isinstance(key, str) else repr(key)): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | bytes) else str(value)
