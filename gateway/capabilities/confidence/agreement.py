"""Whether several answers to one question say the same. Structured answers are compared leaf by leaf, texts by the words they share."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from gateway.capabilities.confidence.signals import SELF_REPORTS

MOST_TOKENS: Final = 2_000
"""Words of a text that are compared; the rest is passed over, so that large answers cost no more than these."""

MOST_LEAVES: Final = 2_000
"""Leaves of a structured answer that are compared."""

_LONGEST: Final = 100_000
"""Characters of a structured answer. A longer one is compared as a text, by its beginning."""

_LONGEST_TEXT: Final = 12_000
"""Characters of a text of so many words, about."""

_JSON_BEGINS: Final = frozenset('{["-0123456789')

_BESIDE_THE_POINT: Final = tuple(f'/"{name}"' for name in SELF_REPORTS)
"""What an answer says of itself is no part of what it says, unless it is all."""

_SHORT: Final = 5
"""A string of a structured answer with no more words than these is a value: the same or not. A longer one is prose, and may be the same in part."""

_WORD: Final = re.compile(r"[^\W_]+(?:[.,][0-9]+)*")
_NUMBER: Final = re.compile(r"[0-9][0-9.,]*")

_Bag: TypeAlias = "Counter[str]"


class _Text(NamedTuple):
    """A text as it is compared: its words, whatever their case and order, and the numbers among them."""

    plain: str
    words: _Bag
    numbers: _Bag


class _Answer(NamedTuple):
    text: _Text
    leaves: dict[str, Any] | None
    """Values by their place; ``None`` for an answer that is not JSON."""


def agreement(answers: Sequence[str]) -> tuple[float | None, int]:
    """How far the answers agree, and which of them to give: the index of the one that is most like the others, and its mean likeness to them, in [0, 1].

    Of several that are equally like the others it is the first. A single answer agrees with nothing: ``(None, 0)``.

    Raises:
        ValueError: There are no answers.
    """
    if not answers:
        raise ValueError("Agreement needs an answer")
    if len(answers) == 1:
        return None, 0
    read = [_read(answer) for answer in answers]
    likeness = [[0.0] * len(read) for _ in read]
    for left in range(len(read)):
        for right in range(left):
            likeness[left][right] = likeness[right][left] = _alike(read[left], read[right])
    # fsum does not depend on the order: equal answers are exactly equally like the others.
    sums = [math.fsum(row) for row in likeness]
    best = sums.index(max(sums))
    return min(sums[best] / (len(read) - 1), 1.0), best


def _read(answer: str) -> _Answer:
    return _Answer(_text(answer), _leaves(answer))


def _text(text: str) -> _Text:
    words = _WORD.findall(text[:_LONGEST_TEXT].casefold())[:MOST_TOKENS]
    return _Text(" ".join(words) or text.strip()[:MOST_TOKENS], Counter(words), Counter(word for word in words if _NUMBER.fullmatch(word)))


def _leaves(answer: str) -> dict[str, Any] | None:
    """The values of a JSON document by their place (a number alone is one, too), without regard to the order of keys; strings as texts."""
    if len(answer) > _LONGEST or answer.lstrip()[:1] not in _JSON_BEGINS:
        return None
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None
    leaves: dict[str, Any] = {}
    stack: list[tuple[str, Any]] = [("", document)]
    while stack and len(leaves) < MOST_LEAVES:
        place, value = stack.pop()
        if inner := _inner(place, value):
            stack.extend(inner)
        else:
            leaves[place] = _text(value) if isinstance(value, str) else value
    return {place: value for place, value in leaves.items() if place not in _BESIDE_THE_POINT} or leaves


def _inner(place: str, value: Any) -> list[tuple[str, Any]]:
    """What a value holds, the last first. Keys are sorted, so that what is left out of a large answer is the same in each of them."""
    if isinstance(value, dict):
        return [(f"{place}/{orjson.dumps(key).decode()}", value[key]) for key in sorted(value, reverse=True)]
    if isinstance(value, list):
        return [(f"{place}/{index}", value[index]) for index in range(min(len(value), MOST_LEAVES) - 1, -1, -1)]
    return []


def _alike(left: _Answer, right: _Answer) -> float:
    if left.leaves is None or right.leaves is None:
        return _texts_alike(left.text, right.text)
    one, other = (left.leaves, right.leaves) if len(left.leaves) <= len(right.leaves) else (right.leaves, left.leaves)
    same = math.fsum(_values_alike(value, other[place]) for place, value in one.items() if place in other)
    return 2.0 * same / (len(one) + len(other))


def _values_alike(left: Any, right: Any) -> float:
    if isinstance(left, _Text) and isinstance(right, _Text):
        short = left.words.total() <= _SHORT or right.words.total() <= _SHORT
        return float(left.plain == right.plain) if short else _texts_alike(left, right)
    # 1 and 1.0 are the same number; true is not 1.
    return float(isinstance(left, bool) is isinstance(right, bool) and left == right)


def _texts_alike(left: _Text, right: _Text) -> float:
    """The share of words in common. Where both have numbers it is no more than the share of these: "42 apples" and "43 apples" disagree."""
    if left.plain == right.plain:
        return 1.0
    words = _shared(left.words, right.words)
    return min(words, _shared(left.numbers, right.numbers)) if left.numbers and right.numbers else words


def _shared(left: _Bag, right: _Bag) -> float:
    """The Dice coefficient of two multisets."""
    size = left.total() + right.total()
    return 2.0 * (left & right).total() / size if size else 0.0
