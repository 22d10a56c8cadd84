"""Reversible placeholders: what stands in a text instead of a value, and the vault of one intent that knows the way back.

A placeholder is ``<CATEGORY_XXXXXXXXXXXXXXXX>``: 16 letters (64 bits) of BLAKE2b (RFC 7693) under the tenant's key over the category, a NUL and the value, so
that a value has the same placeholder in every message and turn of a tenant, and another one with the next tenant. The letters have no digits and no
vowels: no detector that looks for digits and no word list fires on them. A secret is the constant ``<SECRET>``, which nothing can turn back.

Where only ``^[a-zA-Z0-9_-]{1,64}$`` is legal (ids, names of functions) an alias stands in: ``redacted_XXXXXXXXXXXXXXXX``.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable

from gateway.domain import SECRET

ALPHABET = "BCDFGHJKLMNPQRST"
SECRET_PLACEHOLDER = f"<{SECRET}>"
ALIAS_PREFIX = "redacted_"

_LETTERS = 16
_HEX_TO_LETTERS = str.maketrans("0123456789abcdef", ALPHABET)
_LETTERS_IN_TEXT = re.compile(f"_([{ALPHABET}]{{{_LETTERS}}})")
_LETTERS_IN_BYTES = re.compile(_LETTERS_IN_TEXT.pattern.encode())
_TOKEN = re.compile(f"<[A-Z][A-Z0-9_]*_[{ALPHABET}]{{{_LETTERS}}}>")
_TOKEN_OR_ALIAS = re.compile(f"{_TOKEN.pattern}|{ALIAS_PREFIX}[{ALPHABET}]{{{_LETTERS}}}")


def letters_in(text: str) -> list[str]:
    """The letters of everything in ``text`` that looks like a placeholder or an alias."""
    return _LETTERS_IN_TEXT.findall(text)


def may_hold_letters(encoded: bytes) -> bool:
    """Whether any string of what is ``encoded`` as JSON has such letters; what escapes of an inner JSON text stand for is not looked at."""
    return _LETTERS_IN_BYTES.search(encoded) is not None


def may_restore(text: str) -> bool:
    """Whether ``text`` may hold a placeholder or an alias. Quick, errs on the side of yes."""
    return "<" in text or ALIAS_PREFIX in text


class Vault:
    """The placeholders of one intent.

    ``taken`` gives the letters of all placeholders that the raw request holds literally: those are plain text and stay so, hence none of
    them is minted for a value. It is asked once, and only if anything is minted.
    """

    __slots__ = ("_key", "_minted", "_taken", "_taken_from", "restorable")

    def __init__(self, key: bytes, taken: Callable[[], frozenset[str]]) -> None:
        self._key = key if len(key) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.blake2b(key).digest()
        self._taken_from = taken
        self._taken: frozenset[str] | None = None
        self._minted: dict[tuple[str, str], str] = {}
        self.restorable: dict[str, tuple[str, str]] = {}
        """Placeholder or alias that the model was shown -> category and value."""

    @property
    def taken(self) -> frozenset[str]:
        """The letters that are not minted."""
        if self._taken is None:
            self._taken = self._taken_from()
        return self._taken

    def placeholder(self, category: str, value: str) -> str:
        """What stands for ``value`` in a text."""
        return SECRET_PLACEHOLDER if category == SECRET else f"<{category}_{self._mint(category, value)}>"

    def alias(self, category: str, value: str) -> str:
        """What stands for ``value`` where only an identifier is legal. That of a secret is consistent too, but never restorable."""
        return ALIAS_PREFIX + self._mint(category, value)

    def remember(self, token: str, category: str, value: str) -> None:
        """Make ``token`` restorable: the model is shown it in place of ``value``. Secrets are not remembered."""
        if category != SECRET:
            self.restorable[token] = (category, value)

    def _mint(self, category: str, value: str) -> str:
        letters = self._minted.get((category, value))
        if letters is None:
            taken = self.taken
            message = f"{category}\0{value}".encode("utf-8", "surrogatepass")
            letters, again = self._letters(message), 0
            while letters in taken:
                again += 1
                letters = self._letters(b"%b\0%d" % (message, again))
            self._minted[category, value] = letters
        return letters

    def _letters(self, message: bytes) -> str:
        return hashlib.blake2b(message, digest_size=_LETTERS // 2, key=self._key).hexdigest().translate(_HEX_TO_LETTERS)


class Restorer:
    """Puts values back in place of the tokens that one destination may see through. ``values``: token -> value."""

    __slots__ = ("_aliased", "_longest", "_pattern", "_sorted", "values")

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self._sorted = sorted(values)
        self._longest = max(map(len, self._sorted), default=0)
        self._aliased = any(token.startswith(ALIAS_PREFIX) for token in values)
        self._pattern = _TOKEN_OR_ALIAS if self._aliased else _TOKEN

    def concerns(self, text: str) -> bool:
        """Whether ``text`` can hold a token or begin one at its end. Quick, errs on the side of yes."""
        return bool(self.values) and (self._aliased or "<" in text)

    def hold_from(self, text: str) -> int:
        """Where the beginning of a token stands at the end of ``text``; its length if none does."""
        size = len(text)
        if not self._aliased:
            start = text.rfind("<")
            return start if start >= 0 and self._begins(text[start:]) else size
        for start in range(max(0, size - self._longest + 1), size):
            if self._begins(text[start:]):
                return start
        return size

    def split(self, text: str) -> list[tuple[str, str | None]]:
        """``text`` as pairs of plain text and the value that follows it; the last pair has none."""
        pairs: list[tuple[str, str | None]] = []
        position = 0
        for match in self._pattern.finditer(text):
            value = self.values.get(match[0])
            if value is not None:
                pairs.append((text[position : match.start()], value))
                position = match.end()
        pairs.append((text[position:], None))
        return pairs

    def _begins(self, tail: str) -> bool:
        if len(tail) >= self._longest:
            return False
        index = bisect_left(self._sorted, tail)
        return index < len(self._sorted) and self._sorted[index].startswith(tail) and self._sorted[index] != tail
