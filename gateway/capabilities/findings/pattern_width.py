"""How many characters a google-re2 pattern can match at most, and the same pattern with its unbounded repeats bounded."""

from __future__ import annotations

import re

REPEAT = 64
"""What ``*``, ``+`` and ``{n,}`` are read as at most (or ``n``, if that is more)."""

_ATOM = re.compile(
    r"\\[pP]\{\^?\w+\}|\\x\{[0-9A-Fa-f]+\}|\\x[0-9A-Fa-f]{2}|\\[0-7]{3}|\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\[pP]\{\^?\w+\}|\\.|[^\]\\])*\]|[^\\\[()|*+?{]|\{",
    re.DOTALL,
)
_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|[imsU\-]*:))?")
_FLAGS = re.compile(r"\(\?[imsU\-]+\)")
_REPEAT = re.compile(r"(?:(?P<star>\*)|(?P<plus>\+)|(?P<optional>\?)|\{(?P<low>\d+)(?P<comma>,(?P<high>\d*))?\})(?P<lazy>\??)")
_EMPTY = frozenset({"\\b", "\\B", "\\A", "\\z", "^", "$"})


class UnsupportedPatternError(ValueError):
    """Syntax whose width cannot be told."""


def bounded(pattern: str) -> tuple[str, int]:
    """The pattern with every repeat bounded, and the characters that it can match at most.

    Raises ``UnsupportedPatternError`` where the syntax is not understood.
    """
    text, width, at = _alternatives(pattern, 0)
    if at != len(pattern):
        raise UnsupportedPatternError(f"unexpected {pattern[at]!r} at {at}")
    return text, width


def _alternatives(pattern: str, at: int) -> tuple[str, int, int]:
    out: list[str] = []
    widest = width = 0
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            out.append("|")
            widest, width, at = max(widest, width), 0, at + 1
            continue
        text, size, at = _item(pattern, at)
        text, size, at = _repeated(pattern, at, text, size)
        out.append(text)
        width += size
    return "".join(out), max(widest, width), at


def _item(pattern: str, at: int) -> tuple[str, int, int]:
    flags = _FLAGS.match(pattern, at)
    if flags:
        return flags.group(), 0, flags.end()
    if pattern[at] == "(":
        opened = _GROUP.match(pattern, at)
        if opened is None:
            raise UnsupportedPatternError(f"group at {at}")
        text, width, end = _alternatives(pattern, opened.end())
        return opened.group() + text + ")", width, end + 1
    atom = _ATOM.match(pattern, at)
    if atom is None:
        raise UnsupportedPatternError(f"unexpected {pattern[at]!r} at {at}")
    text = atom.group()
    if text.startswith("\\Q"):
        return text, len(text.removeprefix("\\Q").removesuffix("\\E")), atom.end()
    return text, 0 if text in _EMPTY else 1, atom.end()


def _repeated(pattern: str, at: int, text: str, width: int) -> tuple[str, int, int]:
    repeat = _REPEAT.match(pattern, at)
    if repeat is None:
        return text, width, at
    low, high = _bounds(repeat)
    return f"{text}{{{low},{high}}}{repeat['lazy']}", width * high, repeat.end()


def _bounds(repeat: re.Match[str]) -> tuple[int, int]:
    if repeat["optional"]:
        return 0, 1
    if repeat["star"] or repeat["plus"]:
        return (1 if repeat["plus"] else 0), REPEAT
    low = int(repeat["low"])
    if repeat["comma"] is None:
        return low, low
    return low, int(repeat["high"]) if repeat["high"] else max(low, REPEAT)
