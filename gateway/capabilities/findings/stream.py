"""Scans a text as it comes, in pieces: for every way of cutting it the segments are those of the whole.

What is decided leaves at once. What waits is bounded: a token, a number in groups, a quoted value until it can be judged. A credential longer than that is
given out in several segments, all but the first marked ``continued``, and swallowed to its end in bounded memory.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.capabilities.findings.engine import Engine, Examined
from gateway.capabilities.findings.holding import lexical_hold, word_hold
from gateway.capabilities.findings.model import CONTEXT, DECIDE, Candidate, Tail, prolonged
from gateway.capabilities.findings.plain import LONGEST, PlainText
from gateway.capabilities.findings.text_view import view_of

_PARTIAL_PLACEHOLDER = re.compile(r"<[A-Z_]{0,112}\Z")


class Segment(NamedTuple):
    """A piece of the text: plain where ``category`` is ``None``, else a finding or a part of one."""

    text: str
    category: str | None
    continued: bool = False
    """Whether this is more of the finding that the segment before it gave: it takes no placeholder of its own."""


class StreamScanner:
    """One text in pieces. ``push`` each piece, then ``finish``; the texts of all segments, put together, are the text."""

    __slots__ = ("_category", "_clean", "_context", "_engine", "_held", "_plain", "_resume", "_tail", "_widest", "_widest_word")

    def __init__(self, engine: Engine, prefix: str = "") -> None:
        """``prefix`` stands before the text without being part of it: the JSON key that is its cue."""
        self._engine = engine
        self._context = prefix
        self._held = ""
        self._resume = engine.start_places(len(prefix))
        self._tail: Tail | None = None
        self._category = ""
        self._plain: PlainText | None = engine.plain if engine.plain.possible else None
        self._clean = False
        self._widest = max((pattern.width for pattern in engine.patterns), default=0)
        self._widest_word = max((pattern.width for pattern in engine.words), default=0)

    @property
    def held(self) -> int:
        """How many characters wait."""
        return len(self._held)

    def push(self, delta: str) -> list[Segment]:
        """Takes the next piece; gives what is decided by now."""
        if not delta:
            return []
        held = self._held = self._held + delta
        if self._plain is not None and self._tail is None and len(held) <= LONGEST:
            cut = self._plain.ready(self._context, held, clean=self._clean)
            if cut >= 0:
                self._clean = True
                return self._pass(cut)
        self._clean = False
        return self._step(final=False)

    def finish(self) -> list[Segment]:
        """The rest. The text ends here."""
        return self._step(final=True)

    def _pass(self, cut: int) -> list[Segment]:
        """Gives out plain text without a look at it."""
        if not cut:
            return []
        plain = self._held[:cut]
        text = self._context + plain
        if self._resume:
            size = len(text)
            gone = size - CONTEXT if size > CONTEXT else 0
            self._resume = [size - gone if at < size else at - gone for at in self._resume]
        self._context = text[-CONTEXT:]
        self._held = self._held[cut:]
        return [Segment(plain, None)]

    def _step(self, *, final: bool) -> list[Segment]:
        out: list[Segment] = []
        while self._held:
            if self._tail is not None and not self._swallow(self._tail, out, final=final):
                break
            if self._held and not self._decide(out, final=final):
                break
        return out

    def _decide(self, out: list[Segment], *, final: bool) -> bool:
        """Gives out what is decided; true if a long credential has begun, whose end must be looked for."""
        base = len(self._context)
        text = self._context + self._held
        examined = self._engine.examine(text, base=base, final=final, resume=self._resume)
        cut, opened = self._cut(examined, text, base, final=final)
        at = base
        for found in examined.accepted:
            if found.start >= cut:
                break
            if found.start > at:
                out.append(Segment(text[at : found.start], None))
            out.append(Segment(text[found.start : found.end], found.category))
            at = found.end
        if at < cut:
            out.append(Segment(text[at:cut], None))
        if opened is not None:
            self._tail, self._category = opened.tail, opened.category
        self._move(text, cut, examined)
        return opened is not None

    def _cut(self, examined: Examined, text: str, base: int, *, final: bool) -> tuple[int, Candidate | None]:
        """How far the text is decided, and the credential that goes on beyond it."""
        length = len(text)
        if final:
            return length, None
        view = examined.view
        cut = max(base, min(examined.pending, lexical_hold(view.cls, view.data)))
        if self._widest:
            cut = max(base, min(cut, length - self._widest - 1))
        if self._widest_word:
            cut = max(base, min(cut, word_hold(view.text, self._engine.word_prefixes, self._widest_word)))
        for found in examined.accepted:
            if found.start >= cut:
                break
            goes_on = found.tail is not None
            if found.end <= cut and not goes_on:
                continue
            if length - found.start <= DECIDE:
                return found.start, None
            if goes_on:
                return found.end, found
            cut = max(cut, found.end)
        return cut, None

    def _move(self, text: str, cut: int, examined: Examined) -> None:
        keep = max(0, cut - CONTEXT)
        for at, spans in enumerate(examined.searched):
            stepped = max((end for start, end in spans if start < cut), default=0)
            self._resume[at] = max(self._resume[at], cut, stepped) - keep
        self._context = text[keep:cut]
        self._held = text[cut:]

    def _swallow(self, tail: Tail, out: list[Segment], *, final: bool) -> bool:
        """Gives out how the credential goes on; true if it has ended."""
        partial = None if final else _PARTIAL_PLACEHOLDER.search(self._held)
        ready = self._held[: partial.start()] if partial else self._held
        data = view_of(ready).data
        end, goes_on = prolonged(tail, data, 0)
        ended = final or not goes_on
        if end:
            out.append(Segment(ready[:end], self._category, True))
        text = self._context + self._held
        cut = len(self._context) + end
        keep = max(0, cut - CONTEXT)
        self._resume = [max(at, cut) - keep for at in self._resume]
        self._context, self._held = text[keep:cut], text[cut:]
        if ended:
            self._tail = None
        return ended
