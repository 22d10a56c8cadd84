"""The JSON in a text. Models put it in fences, or say a sentence before it.

JSON is what orjson reads. ``NaN``, lone surrogates and numbers beyond a double are not JSON; of a key that stands twice the last one
counts; integers beyond 64 bits are read as doubles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

_SPACES = " \t\r\n"
_FENCE = re.compile(r"^[ \t]*```([^\n`]*)$", re.MULTILINE)
_OPENING = re.compile(r'\{[ \t\r\n]*["}]|\[[ \t\r\n]*(?:[\[{"\]\-0-9]|true|false|null)')
"""Where an object or array of JSON begins, and prose hardly ever."""
_DECODER = json.JSONDecoder()


class _BrokenError(Exception):
    """What begins like JSON is not."""


class Found(NamedTuple):
    """A JSON value and its text."""

    value: Any
    text: str


def parse(text: str) -> Found | None:
    """The value of a text that is JSON from its first character to its last, spaces aside."""
    try:
        return Found(orjson.loads(text), text)
    except orjson.JSONDecodeError:
        return None


def extract(text: str) -> Found | None:
    """The one JSON value that a text holds among other things, in time linear in the text.

    ``None`` where it holds none, several different ones, or one that is broken.
    """
    text = text.strip("\ufeff" + _SPACES)
    whole = parse(text)  # a byte order mark was all that stood there
    if whole is not None:
        return whole
    fenced = _distinct(_fenced(text))
    if len(fenced) == 1:
        return fenced[0]
    if fenced:
        return None
    try:
        loose = _distinct(_loose(text))
    except _BrokenError:
        return None
    return loose[0] if len(loose) == 1 else None


def _distinct(found: Iterator[Found]) -> list[Found]:
    """The first of each text, two at most: two are as good as many."""
    kept: dict[str, Found] = {}
    for one in found:
        kept.setdefault(one.text, one)
        if len(kept) == 2:
            break
    return list(kept.values())


def _fenced(text: str) -> Iterator[Found]:
    """What stands in fences and is JSON. A fence stands on a line of its own, which no line of JSON can be mistaken for; the last one may lack its end."""
    begin: int | None = None
    for fence in _FENCE.finditer(text):
        if begin is None:
            begin = fence.end()
        elif not fence[1].strip():
            yield from _parsed(text[begin : fence.start()])
            begin = None
    if begin is not None:
        yield from _parsed(text[begin:])


def _parsed(text: str) -> Iterator[Found]:
    found = parse(text.strip(_SPACES))
    if found is not None:
        yield found


def _loose(text: str) -> Iterator[Found]:
    """Objects and arrays in prose.

    Raises ``_BrokenError`` at one that is broken, or that stands inside of something open: what is inside of them is a part of an answer, not the answer.
    """
    at = 0
    while opening := _OPENING.search(text, at):
        begin = opening.start()
        if _open(text[at:begin]):
            raise _BrokenError
        try:
            _, at = _DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            raise _BrokenError from None
        found = parse(text[begin:at])
        if found is None:
            raise _BrokenError
        yield found


def _open(prose: str) -> bool:
    return prose.count("{") > prose.count("}") or prose.count("[") > prose.count("]")
