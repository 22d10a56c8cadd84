"""Which characters every match of a google-re2 pattern holds, so that a text without them need not be searched. What is not understood needs nothing."""

from __future__ import annotations

import re

_DIGITS = frozenset("0123456789")
_ITEM = re.compile(r"(?P<digits>\\d|\[0-9\]|\[\[:digit:\]\])|\\(?P<sign>[^\w\s])|(?P<char>[A-Za-z0-9\-_@#=:/;,!%&~\"'<> ])|(?P<empty>\\[bBA]|\^)")
_NONE_AT_ALL = re.compile(r"[*?]|\{0")
_REPEAT = re.compile(r"[*+?]\??|\{\d+(?:,\d*)?\}\??")


def needs_of(pattern: str) -> tuple[frozenset[str], ...]:
    """Sets of characters, of each of which every match holds at least one. Empty if the pattern's beginning is not a plain sequence.

    Letters count for nothing: they may stand for both cases, and prose has them all. So does ``?``, which takes the place of what has no encoding.
    """
    if "|" in pattern or "\\Q" in pattern:
        return ()
    needs: list[frozenset[str]] = []
    at = 0
    while item := _ITEM.match(pattern, at):
        repeat = _REPEAT.match(pattern, item.end())
        at = repeat.end() if repeat else item.end()
        if _NONE_AT_ALL.match(pattern, item.end()) or item["empty"]:
            continue
        char = item["sign"] or item["char"] or ""
        if item["digits"]:
            needs.append(_DIGITS)
        elif char and not char.isalpha() and char not in "? ":
            needs.append(frozenset(char))
    return tuple(dict.fromkeys(needs))
