"""How much of the end of a stream must wait, because what comes could make it part of a value."""

from __future__ import annotations

import re

from gateway.capabilities.findings.model import DECIDE

_SHORT_PREFIX = 3
_GROUP = 4
_MONTH = re.compile(rb"[A-Z][a-z]{2,8}\Z")
_EXTENSION = re.compile(rb"(?:x|e|ex|ext|ext\.)\Z")


def token_start(cls: bytes, end: int) -> int:
    """Where the token that ends at ``end`` begins: after the last space or newline."""
    return max(cls.rfind(b" ", 0, end), cls.rfind(b"\n", 0, end)) + 1


def lexical_hold(cls: bytes, data: bytes) -> int:
    """From where on the text may still become part of a value: the open token, and the tokens before it that digits join to it."""
    length = len(cls)
    floor = max(0, length - DECIDE)
    opened = token_start(cls, length)
    if opened <= floor:
        return floor
    hold = opened
    if _joins(cls[opened:], data[opened:]):
        hold = _run_start(cls, data, opened, floor)
    return max(hold, floor)


def _joins(cls: bytes, data: bytes) -> bool:
    """Whether the open token could go on a number that has begun before it."""
    return not cls or b"0" in cls or len(cls) <= _GROUP or (not cls.isalpha() and cls[:1] != b"a") or bool(_EXTENSION.match(data)) or bool(_MONTH.match(data))


def _run_start(cls: bytes, data: bytes, opened: int, floor: int) -> int:
    """Where the run of tokens with digits begins that reaches to the open token; a short word of letters before it belongs to it."""
    hold = start = opened
    has_digits = b"0" in cls[opened:]
    at_end = opened == len(cls)
    while start > floor and cls[start - 1] == 0x20:
        end = start - 1
        start = token_start(cls, end)
        token = cls[start:end]
        if b"0" in token:
            hold, has_digits = start, True
        elif not _within(token, data[start:end]):
            if (has_digits or at_end) and token.strip(b"a") == b"" and len(token) <= _SHORT_PREFIX and (hold == end + 1):
                hold = start
            break
        elif (has_digits or at_end) and hold == end + 1 and len(token) <= _SHORT_PREFIX:
            hold = start
    return hold


def _within(token: bytes, data: bytes) -> bool:
    """Whether a token without digits may stand between tokens that have some."""
    if not token or token.strip(b"a.()-+/") or len(token) > 9:
        return False
    return (
        len(token) == _GROUP
        or (len(token) <= _SHORT_PREFIX and data.isupper())
        or bool(_MONTH.match(data))
        or bool(_EXTENSION.match(data))
        or not token.strip(b".()-+/")
    )


def word_hold(text: str, prefixes: frozenset[str], width: int) -> int:
    """From where on the text may still become one of the tenant's words."""
    length = len(text)
    for at in range(max(0, length - width - 1), length):
        if text[at].isspace() or (at and (text[at - 1].isalnum() or text[at - 1] == "_")):
            continue
        tail = text[at:]
        if _spaced(tail) in prefixes:
            return at
    return length


def _spaced(tail: str) -> str:
    folded = " ".join(tail.split()).casefold()
    return folded + " " if tail[-1:].isspace() else folded
