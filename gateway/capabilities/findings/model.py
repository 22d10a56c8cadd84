"""What the parts of the scanner hand to each other: the view of a text, a candidate, and a recogniser's row."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

CONTEXT = 160
"""How many characters left of a candidate anything may look at. A stream keeps as many of what it has emitted."""

DECIDE = 320
"""Whether a candidate holds is decided within so many characters from its start; only where it ends can lie further away."""

CUE_BEFORE = 48
CUE_AFTER = 16

Check: TypeAlias = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One text in the forms that the finders need. All four have the same length, so that an offset means the same in each."""

    text: str
    data: bytes
    """Latin-1; what has no place in it is ``?``, what lies in a placeholder is ``\\0``."""
    cls: bytes
    """Each character's class: ``0`` digit, ``a`` letter, space, newline, else the character itself."""
    low: bytes
    """``data`` in lower case."""
    final: bool
    """Whether the text ends here. If not, what may still change is reported as pending."""


class Tail(NamedTuple):
    """How an unbounded value goes on. ``body`` repeats character by character, so it can be taken up again anywhere between two matches."""

    body: re.Pattern[bytes]
    unsure: re.Pattern[bytes]
    """A rest that, if the text ends with it, may belong to the value or not, depending on what comes."""
    close: re.Pattern[bytes] | None = None
    """What closes the value and belongs to it."""


def prolonged(tail: Tail, data: bytes, end: int) -> tuple[int, bool]:
    """Where a value that has been looked at up to ``end`` ends, and whether what comes after ``data`` may still be part of it."""
    body = tail.body.match(data, end)
    end = body.end() if body else end
    close = tail.close.match(data, end) if tail.close else None
    if close:
        return close.end(), False
    rest = data[end : end + _UNSURE_MAX]
    return end, not rest or (end + len(rest) == len(data) and tail.unsure.fullmatch(rest) is not None)


_UNSURE_MAX = 80


class Candidate(NamedTuple):
    """A possible finding. Those that start first win, then those of the lower rank, then the longer."""

    start: int
    rank: int
    end: int
    category: str
    sure: bool = True
    """False while what comes next may still decide about it."""
    tail: Tail | None = None
    """Set where the value has no bounded length: then ``end`` is how far it has been looked at, and ``prolonged`` finds the true end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recogniser:
    """A value of a bounded shape: a pattern, a checksum, and the words that make it likely."""

    category: str
    pattern: bytes
    """A regular expression over Latin-1 bytes, matched at the start of a token. It must be linear; see ``shapes`` for the syntax that it may use."""
    check: Check | None = None
    cued: bool = False
    """Whether a cue word must stand near, unless the category is enabled or its country pack is on."""
    country: str = ""
    """ISO 3166 code of the pack that switches it on."""
    rank: int = 50
    """The lower wins where two start at the same place."""
    cues: tuple[str, ...] = ()
    """Cue words of this row; empty takes those of the category."""
