"""How large a JSON Schema becomes where a provider takes no references: litellm then writes every definition out at each place that refers to it.

Thirty definitions that each refer twice to the next one become a thousand million: the size is known before litellm is let at them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

MOST_PARTS: Final = 5_000
"""Objects and lists of a schema written out. litellm takes some 0.2 s for as many; structured outputs of OpenAI's allow 5,000 properties."""

_DEFINITIONS: Final = ("$defs", "definitions")


def writes_out_within(schema: Any, most: int = MOST_PARTS) -> bool:
    """Whether ``schema`` has at most ``most`` objects and lists once every reference is written out, down each way until it comes back to itself."""
    named = {name: definition for part in _parts(schema) for key in _DEFINITIONS for name, definition in _mapping(part.get(key)).items()}
    waiting: list[tuple[Any, frozenset[str]]] = [(schema, frozenset())]
    seen = 0
    while waiting:
        part, above = waiting.pop()
        seen += 1
        if seen > most:
            return False
        waiting.extend((inner, above) for inner in _inner(part))
        reference = part.get("$ref") if isinstance(part, dict) else None
        name = reference.rpartition("/")[2] if isinstance(reference, str) else None
        if name in named and name not in above and isinstance(named[name], (dict, list)):
            waiting.append((named[name], above | {name}))
    return True


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
        waiting.extend(_inner(part))


def _inner(part: Any) -> Iterator[Any]:
    return (inner for inner in (part.values() if isinstance(part, dict) else part) if isinstance(inner, (dict, list)))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
