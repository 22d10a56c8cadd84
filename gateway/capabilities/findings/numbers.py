"""The shape engine: windows of tokens that hold digits, the recognisers that their shape allows, checksums, cue words."""

from __future__ import annotations

import re

from gateway.capabilities.findings.catalogue import CUED
from gateway.capabilities.findings.cues import ANTI_CUES, Context, Cues, after, before
from gateway.capabilities.findings.model import Candidate, Recogniser, View
from gateway.capabilities.findings.shapes import SHAPE_WIDTH, ShapeIndex

_WINDOW = re.compile(rb"0[0a]*+(?:[ \-./:()+,_]{1,3}+a*+0[0a]*+)*+")
_ATOM = re.compile(rb"[0a]++")
_LEAST_DIGITS = 4
_ATOM_LEFT = 40
_BEYOND = 3
_LEAST_BARE = 6
_LAST_RANK = 1000
_SPACE, _DIGIT = 0x20, 0x30
_CARD_GROUP = 4
_NOT_IN_A_LIST = (rb"(?<!\d )", rb"(?<!\d[ ,])")
_WIDEST_ATOM = 24
"""No structured value has more letters and digits in a row."""
_FIRM = 10
"""Rows up to this rank need no context, though they be bare digits."""
_ANTI = Cues(ANTI_CUES)


class NumberFinder:
    """Runs the recognisers of a table where their shapes occur."""

    def __init__(self, recognisers: tuple[Recogniser, ...]) -> None:
        self._index = ShapeIndex(recognisers)
        self._ungrouped = ShapeIndex([row for row in recognisers if not any(guard in row.pattern for guard in _NOT_IN_A_LIST)])
        self._own_cues = {row.cues: Cues(row.cues) for row in recognisers if row.cues}

    def find(self, view: View, out: list[Candidate]) -> None:
        """Adds every structured value. What only a cue to come could decide is added as pending."""
        cls = view.cls
        for window in _WINDOW.finditer(cls):
            begin, end = window.span()
            if end - begin >= _LEAST_DIGITS and _worth(cls, begin, end):
                self._window(view, begin, end, out)

    def _window(self, view: View, begin: int, end: int, out: list[Candidate]) -> None:
        cls = view.cls
        head = cls[max(0, begin - _ATOM_LEFT) : begin]
        first = begin - (len(head) - len(head.rstrip(b"a")))
        prefix = _prefix_atom(cls, first)
        if prefix < first:
            self._at(view, prefix, end, out)
        for atom in _ATOM.finditer(cls, first, end):
            start, stop = atom.span()
            if stop - start <= _WIDEST_ATOM and not _goes_on_left(cls, start) and cls.count(b"0", start, min(end, start + SHAPE_WIDTH)) >= _LEAST_DIGITS:
                self._at(view, start, end, out)
                self._opened(view, start, end, out)

    def _opened(self, view: View, start: int, end: int, out: list[Candidate]) -> None:
        """Tries the recognisers also from a ``+`` or ``(`` before the atom."""
        opened = start
        while opened and start - opened < 2 and view.cls[opened - 1] in b"(+":
            opened -= 1
            self._at(view, opened, end, out)

    def _at(self, view: View, start: int, window_end: int, out: list[Candidate]) -> None:
        near = _Near(view, start)
        won = _LAST_RANK
        for row, pattern in self._rows(view.cls, start, window_end):
            if row.rank > won:
                return
            match = pattern.match(view.data, start)
            if match is None or not _holds(row, view, match):
                continue
            verdict = self._verdict(row, near, match)
            if verdict is False:
                continue
            out.append(Candidate(start, row.rank, match.end(), row.category, verdict is True))
            won = row.rank if verdict else won

    def _verdict(self, row: Recogniser, near: _Near, match: re.Match[bytes]) -> bool | None:
        """Whether the words near it let the match stand; ``None`` if that cannot be told yet."""
        if row.cued:
            return self._cued(row, near, match.end())
        return row.rank <= _FIRM or not match.group().isdigit() or not _ANTI.near(near.left)

    def _rows(self, cls: bytes, start: int, window_end: int) -> tuple[tuple[Recogniser, re.Pattern[bytes]], ...]:
        shape = cls[start : min(window_end + _BEYOND, start + SHAPE_WIDTH)]
        if start < 2 or cls[start - 1] != _SPACE or cls[start - 2] != _DIGIT:
            return self._index.of(shape)
        # In a list of numbers only what needs no group before it can begin, and of that only cards go on over a space.
        first, _, _ = shape.partition(b" ")
        return self._ungrouped.of(shape if len(first) == _CARD_GROUP else first)

    def _cued(self, row: Recogniser, near: _Near, end: int) -> bool | None:
        """Whether a cue stands near; ``None`` if one may still come."""
        cues = self._own_cues[row.cues] if row.cues else CUED[row.category]
        if cues.near(near.left):
            return True
        right, complete = near.right(end)
        return cues.near(right) if complete else None


class _Near:
    """The contexts of the candidates that start at one place, each made once."""

    __slots__ = ("_left", "_rights", "_start", "_view")

    def __init__(self, view: View, start: int) -> None:
        self._view = view
        self._start = start
        self._left: Context | None = None
        self._rights: dict[int, tuple[Context, bool]] = {}

    @property
    def left(self) -> Context:
        """The context before the place."""
        if self._left is None:
            self._left = before(self._view.text, self._start)
        return self._left

    def right(self, end: int) -> tuple[Context, bool]:
        """The context after ``end``, and whether all of it is there."""
        found = self._rights.get(end)
        if found is None:
            context, complete = after(self._view.text, end)
            found = self._rights[end] = (context, complete or self._view.final)
        return found


def _holds(row: Recogniser, view: View, match: re.Match[bytes]) -> bool:
    """Whether a match itself has digits enough, whatever else its window holds, and its checksum is right."""
    return view.cls.count(b"0", *match.span()) >= _LEAST_DIGITS and (row.check is None or row.check(match.group()))


def _worth(cls: bytes, begin: int, end: int) -> bool:
    """Whether a window has digits enough: four, or six where there is no letter with them."""
    digits = cls.count(b"0", begin, end)
    return digits >= _LEAST_BARE or (digits >= _LEAST_DIGITS and (cls[begin - 1 : begin] == b"a" or b"a" in cls[begin:end]))


def _goes_on_left(cls: bytes, start: int) -> bool:
    """Whether a hyphen or dot joins the atom to one before it: then it begins nothing."""
    return start > 1 and cls[start - 1] in b"-." and cls[start - 2] in b"0a"


def _prefix_atom(cls: bytes, first: int) -> int:
    """The start of one to three letters that stand a space before ``first``; else ``first``."""
    if first < 2 or cls[first - 1] not in b" -":
        return first
    head = cls[max(0, first - 5) : first - 1]
    letters = len(head) - len(head.rstrip(b"a"))
    start = first - 1 - letters
    return start if 1 <= letters <= 3 and (start == 0 or cls[start - 1] not in b"0a_") else first
