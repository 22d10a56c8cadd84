r"""Tells plain prose in a stream, and plain short texts, from what must be looked at, for a small part of what the look costs. It errs on the side of looking.

Each rule names what every value of some finders holds, so that a text without it holds none of theirs:

* ``_NUMBERS``: what the table's rows, IPv4 and IBAN need: four digits in a row, two digits near each other, or two digits behind a letter.
* ``_SIGNS``: the ``@`` of addresses and of passwords in URLs, the ``~`` of Azure's secrets, colons and hyphens as in IPv6, MAC and PEM, the slashes of
  webhooks; and what the view of a text turns into something else, so that the rules need not know.
* a long run of letters, digits, ``_`` and ``-``: vendors' credentials, tokens, coin addresses, UUIDs.
* ``STEMS``: the words before a password or a key, as far back as ``REACH``.
* the tenant's words by a part of each, its patterns by the characters that each needs.

Values without any of these would go unseen: a new finder or row must be covered here. Tests hold every row, every corpus and texts drawn at random to it.
"""

from __future__ import annotations

import re

from gateway.capabilities.findings.custom import CustomPattern
from gateway.capabilities.findings.pattern_needs import needs_of
from gateway.capabilities.findings.text_view import as_ascii

STEMS = ("pass", "pwd", "secret", "contrase", "token", "key", "auth", "cred", "sig", "session", "cookie", "bearer")
REACH = 96
"""A value begins at most so many characters behind the stem of its name."""

LONGEST = 320
"""Held text longer than this is looked at: what waits stays bounded."""

_OVERLAP = max(map(len, STEMS)) - 1
_LETTER = r"[^\W\d_]"
_NUMBERS = re.compile(rf"\d(?:\d{{3}}|(?<={_LETTER}\d)\d|{_LETTER}+\d|{_LETTER}*[\W_]{{1,3}}{_LETTER}*\d)")
# Tabs, escapes and the like are boundaries of tokens that the hold here does not know; U+0345 alone becomes a letter when its case is folded.
_UNUSUAL = r"@~\\\t\r\x0b\x0c\u0345"
_SIGNS = re.compile(
    rf"[:./\-{_UNUSUAL}](?:(?<=[{_UNUSUAL}])|(?<=:)[0-9A-Fa-f]{{0,4}}:|(?<=[:\-])\w\w[:\-]\w\w[:\-]|(?<=-)----"
    r"|(?<=\.com/)|(?<=/)\w+/|(?<=\.)\w{4}\.\w{4})"
)
_RUN_TABLE = bytes(0x61 if bytes([b]).isalnum() or b in b"_-" else 0x20 for b in range(256))
_RUN = b"a" * 15
_RUNS = re.compile(r"\w+")
_TO_LAST_DIGIT = re.compile(r"(?s:.*)\d")
# A token that no number goes on across: see ``holding``.
_BREAK = re.compile(r"[ \n](?:[a-z]{5,}\.?|[a-z]+[,;:!?]|(?!(?:x|e|ext?)[ \n])[a-z]{1,3})[ \n]")
_SHORT = 3
_FEW = 16
"""So many words are looked for one by one before the text is cut into its own."""

_EXTENSIONS = frozenset({"x", "e", "ex", "ext"})


class PlainText:
    """The rules for the texts of one tenant."""

    __slots__ = ("_heads", "_needs", "_width", "possible")

    def __init__(self, patterns: list[CustomPattern], words: list[str]) -> None:
        self._needs = tuple(needs_of(pattern.compiled.pattern) for pattern in patterns)
        self._width = max((pattern.width + 1 for pattern in patterns), default=0)
        folded = [word.strip().casefold() for word in words]
        self._heads = frozenset(found.group() for word in folded if (found := _RUNS.match(word)))
        self.possible: bool = all(self._needs) and all(map(_RUNS.match, folded))
        """Whether any text of the tenant can be told to be plain."""

    def ready(self, context: str, held: str, *, clean: bool) -> int:
        """How much of ``held`` can leave as plain text; -1 if it must be looked at. ``clean``: ``context`` is known to have no stem within reach of its end."""
        text = held if held.isascii() else as_ascii(held)
        if not self._nothing_in(context, text, clean=clean):
            return -1
        return min(_hold(text), max(0, len(text) - self._width))

    def nothing_in(self, context: str, text: str) -> bool:
        """Whether a whole text holds nothing to be found, for certain; ``context`` stands before it."""
        return self._nothing_in(context, text if text.isascii() else as_ascii(text), clean=False)

    def _nothing_in(self, context: str, text: str, *, clean: bool) -> bool:
        if _NUMBERS.search(text) or _SIGNS.search(text) or text.encode("latin-1", "replace").translate(_RUN_TABLE).find(_RUN) >= 0:
            return False
        before = context[-_OVERLAP:] if clean else context[-REACH - _OVERLAP :]
        lowered = (before + text).lower()
        for stem in STEMS:
            if stem in lowered:
                return False
        if self._heads and self._worded(text.casefold()):
            return False
        return not (self._needs and self._patterned(text))

    def _worded(self, folded: str) -> bool:
        if len(self._heads) <= _FEW:
            for head in self._heads:
                if head in folded:
                    break
            else:
                return False
        return not self._heads.isdisjoint(_RUNS.findall(folded))

    def _patterned(self, text: str) -> bool:
        present = set(text)
        return any(not any(need.isdisjoint(present) for need in needs) for needs in self._needs)


def _token_start(text: str, end: int) -> int:
    return max(text.rfind(" ", 0, end), text.rfind("\n", 0, end)) + 1


def _hold(text: str) -> int:
    """Where the open token begins, or the short ones before it that a number may go on from; never later than ``holding.lexical_hold``. -1 if unclear."""
    size = len(text)
    opened = _token_start(text, size)
    digits = _TO_LAST_DIGIT.match(text)
    if digits and (digits.end() > opened or not _BREAK.search(text, digits.end())):
        return -1
    hold = opened
    while hold and (hold == size or hold < opened):
        start = _token_start(text, hold - 1)
        token = text[start : hold - 1]
        if len(token) > _SHORT:
            break
        hold = start
        if token.islower() and token not in _EXTENSIONS:
            break
    return hold
