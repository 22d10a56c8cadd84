"""Where a finding stands, in words that no caller chooses, and who brought it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.capabilities.redaction.leaves import Leaf, Link, Media, path
from gateway.capabilities.redaction.shapes import ANSWER, KNOWN_PARAMETERS, MESSAGE
from gateway.domain import FindingCount, Json, Origin, Unscanned

_FIELDS = frozenset(MESSAGE) | {"reasoning", "reasoning_content", "annotations"}
_ANSWER_FIELDS = frozenset(ANSWER)
_ORIGINS = {"tool": Origin.TOOL, "function": Origin.TOOL, "assistant": Origin.MODEL}
UNKNOWN = "unknown"
"""The place of what is not part of the API."""


def request_place(steps: Sequence[str | int]) -> str:
    """The place of a leaf of a request that ``steps`` lead to, such as ``messages[2].content``, ``tools[0]``, ``input[3]`` or ``metadata``."""
    first = steps[0] if steps else UNKNOWN
    if first == "messages" and len(steps) > 1:
        return f"messages[{steps[1]}].{steps[2]}" if len(steps) > 2 and steps[2] in _FIELDS else f"messages[{steps[1]}]"
    if first in {"tools", "functions"} and len(steps) > 1:
        return f"{first}[{steps[1]}]"
    if first == "input" and len(steps) > 1 and type(steps[1]) is int:
        return f"input[{steps[1]}]"
    return str(first) if first in KNOWN_PARAMETERS else UNKNOWN


def answer_place(link: Link) -> str:
    """The place of a leaf of a complete answer, such as ``choices[0].message.content``."""
    steps = path(link)
    first = steps[0] if steps else UNKNOWN
    if first == "choices" and len(steps) > 1:
        return message_place(steps[1], steps[3] if len(steps) > 3 else None)
    return str(first) if first in _ANSWER_FIELDS else UNKNOWN


def message_place(index: Any, field: Any) -> str:
    """The place of a field of an answer's message, the same for a stream."""
    return f"choices[{index}].message.{field}" if field in _FIELDS else f"choices[{index}].message"


def message_origin(message: Any) -> Origin:
    """Who brought what stands in a message of a request."""
    role = message.get("role") if isinstance(message, dict) else None
    return _ORIGINS.get(role, Origin.CALLER) if isinstance(role, str) else Origin.CALLER


def _origin(body: Json, steps: Sequence[str | int]) -> Origin:
    if len(steps) < 2 or steps[0] != "messages" or not isinstance(steps[1], int):
        return Origin.CALLER
    return message_origin(body["messages"][steps[1]])


def request_counts(body: Json, found: Iterable[tuple[Leaf, list[tuple[str, str]]]]) -> tuple[FindingCount, ...]:
    """The findings of a request (category and value by leaf), merged by category, place and origin, in the order of places."""
    counts: dict[tuple[str, str, Origin], int] = {}
    for leaf, values in found:
        steps = path(leaf.link)
        where, origin = request_place(steps[:-1] if leaf.is_key else steps), _origin(body, steps)
        for category, _ in values:
            counts[category, where, origin] = counts.get((category, where, origin), 0) + 1
    return tuple(FindingCount(category, count, where, origin) for (category, where, origin), count in sorted(counts.items(), key=lambda item: item[0][1:]))


def merged(found: Iterable[tuple[str, str]], origin: Origin = Origin.MODEL) -> tuple[FindingCount, ...]:
    """Findings of an answer that ``origin`` brought, given as category and place, merged."""
    counts: dict[tuple[str, str], int] = {}
    for item in found:
        counts[item] = counts.get(item, 0) + 1
    return tuple(FindingCount(category, count, where, origin) for (category, where), count in counts.items())


def unscanned(media: Iterable[Media]) -> tuple[Unscanned, ...]:
    """What could not be scanned, each place and kind once. Lists of tokens in a list count as one: there may be thousands."""
    return tuple(sorted({Unscanned(_unscanned_place(path(item.link)), item.kind) for item in media}))


def _unscanned_place(steps: Sequence[str | int]) -> str:
    return "input" if steps[:1] == ["input"] else request_place(steps)
