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
_FIRM = 10
"""Rows up to this rank need no context, though they be bare digits."""
_ANTI = Cues(ANTI_CUES)


class NumberFinder:
    """Runs the recognisers of a table where their shapes occur."""

    def __init__(self, recognisers: tuple[Recogniser, ...]) -> None:
        self._index = ShapeIndex(recognisers)
        self._own_cues = {row.cues: Cues(row.cues) for row in recognisers if row.cues}

    def find(self, view: View, out: list[Candidate]) -> None:
        """Adds every structured value. What only a cue to come could decide is added as pending."""
        cls = view.cls
        for window in _WINDOW.finditer(cls):
            begin, end = window.span()
            if end - begin >= _LEAST_DIGITS and cls.count(b"0", begin, end) >= _LEAST_DIGITS:
                self._window(view, begin, end, out)

    def _window(self, view: View, begin: int, end: int, out: list[Candidate]) -> None:
        cls = view.cls
        head = cls[max(0, begin - _ATOM_LEFT) : begin]
        first = begin - (len(head) - len(head.rstrip(b"a")))
        prefix = _prefix_atom(cls, first)
        if prefix < first:
            self._at(view, prefix, end, out)
        for atom in _ATOM.finditer(cls, first, end):
            start = atom.start()
            if cls.count(b"0", start, min(end, start + SHAPE_WIDTH)) < _LEAST_DIGITS:
                continue
            self._at(view, start, end, out)
            opened = start
            while opened and start - opened < 2 and cls[opened - 1] in b"(+":
                opened -= 1
                self._at(view, opened, end, out)

    def _at(self, view: View, start: int, window_end: int, out: list[Candidate]) -> None:
        rows = self._index.of(view.cls[start : min(window_end + _BEYOND, start + SHAPE_WIDTH)])
        left: Context | None = None
        for row, pattern in rows:
            match = pattern.match(view.data, start)
            if match is None or (row.check is not None and not row.check(match.group())):
                continue
            end = match.end()
            bare = not row.cued and row.rank > _FIRM and match.group().isdigit()
            if not row.cued and not bare:
                out.append(Candidate(start, row.rank, end, row.category))
                continue
            left = before(view.text, start) if left is None else left
            if bare and not _ANTI.near(left):
                out.append(Candidate(start, row.rank, end, row.category))
            elif row.cued:
                self._cued(view, row, left, Candidate(start, row.rank, end, row.category), out)

    def _cued(self, view: View, row: Recogniser, left: Context, candidate: Candidate, out: list[Candidate]) -> None:
        cues = self._own_cues[row.cues] if row.cues else CUED[row.category]
        if cues.near(left):
            out.append(candidate)
            return
        right, complete = after(view.text, candidate.end)
        if not view.final and not complete:
            out.append(candidate._replace(sure=False))
        elif cues.near(right):
            out.append(candidate)


def _prefix_atom(cls: bytes, first: int) -> int:
    """The start of one to three letters that stand a space before ``first``; else ``first``."""
    if first < 2 or cls[first - 1] not in b" -":
        return first
    head = cls[max(0, first - 5) : first - 1]
    letters = len(head) - len(head.rstrip(b"a"))
    start = first - 1 - letters
    return start if 1 <= letters <= 3 and (start == 0 or cls[start - 1] not in b"0a_") else first
