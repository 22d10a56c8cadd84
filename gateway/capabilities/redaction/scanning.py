"""What redaction needs of a scanner, and the ways in which it asks: a whole text, a text that streams, one that it has seen before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from gateway.domain import Finding

_LONGEST_WORD = 64

_SLICE = 32_768
"""Characters of a large request's text that are searched at once."""


class Scan(Protocol):
    """Findings of a text, sorted and without overlap. ``key`` is the JSON key that it stands under, a cue."""

    def __call__(self, text: str, *, key: str | None = None) -> tuple[Finding, ...]:
        """The findings of ``text``."""


class Segment(Protocol):
    """A part of a streamed text: a finding, or the text between findings."""

    @property
    def text(self) -> str:
        """The characters of the segment."""

    @property
    def category(self) -> str | None:
        """What was found, ``None`` for plain text."""

    @property
    def continued(self) -> bool:
        """Whether this is more of the finding that the segment before it gave."""


class SegmentStream(Protocol):
    """A text that is scanned as it comes. The segments add up to the text and say the same for every way to split it."""

    def push(self, delta: str, /) -> Sequence[Segment]:
        """The segments that are certain once ``delta`` was added."""

    def finish(self) -> Sequence[Segment]:
        """The segments that were held."""


class TextScanner(Protocol):
    """A scanner that knows whole texts only: the memo."""

    def scan(self, text: str, *, key: str | None = None) -> tuple[Finding, ...]:
        """The findings of ``text``."""


class StreamingScanner(TextScanner, Protocol):
    """A scanner of whole and of streamed texts."""

    def stream(self, key: str | None = None) -> SegmentStream:
        """A scanner for one streamed text that stands under ``key``."""


class WholeSegment(NamedTuple):
    """A ``Segment`` of a text that was scanned as a whole."""

    text: str
    category: str | None
    continued: bool = False


class WholeSegments:
    """A ``SegmentStream`` that holds the whole text and scans it at its end."""

    __slots__ = ("_key", "_parts", "_scan")

    def __init__(self, scan: Scan, key: str | None) -> None:
        self._scan = scan
        self._key = key
        self._parts: list[str] = []

    def push(self, delta: str, /) -> Sequence[Segment]:
        """Nothing: the text is held."""
        self._parts.append(delta)
        return ()

    def finish(self) -> Sequence[Segment]:
        """The whole text."""
        text = "".join(self._parts)
        segments: list[Segment] = []
        position = 0
        for category, start, end in self._scan(text, key=self._key):
            if start > position:
                segments.append(WholeSegment(text[position:start], None))
            segments.append(WholeSegment(text[start:end], category))
            position = end
        if position < len(text):
            segments.append(WholeSegment(text[position:], None))
        return segments


class SlicedScanner:
    """Scans a long text slice by slice, with the same result: a search of the whole would hold the interpreter for seconds."""

    def __init__(self, scanner: StreamingScanner) -> None:
        self._scanner = scanner

    def scan(self, text: str, key: str | None = None) -> tuple[Finding, ...]:
        """The findings of ``text``."""
        if len(text) <= _SLICE:
            return self._scanner.scan(text, key=key)
        stream = self._scanner.stream(key)
        slices = (stream.push(text[at : at + _SLICE]) for at in range(0, len(text), _SLICE))
        found: list[Finding] = []
        at = 0
        for segment in chain(chain.from_iterable(slices), _last(stream)):
            end = at + len(segment.text)
            if segment.category is not None:
                begin = found.pop().start if segment.continued and found else at
                found.append(Finding(segment.category, begin, end))
            at = end
        return tuple(found)

    def stream(self, key: str | None = None) -> SegmentStream:
        """A scanner for one streamed text, which comes in slices anyway."""
        return self._scanner.stream(key)


def _last(stream: SegmentStream) -> Iterator[Segment]:
    """The segments that a stream held, once everything else was taken from it."""
    yield from stream.finish()


class CleanTexts:
    """Remembers texts in which nothing was found, by a keyed digest, so that a history that is sent again is not taken apart again."""

    __slots__ = ("_entries", "_key", "_seen")

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._key = os.urandom(16)
        self._seen: dict[bytes, None] = {}

    def knows(self, encoded: bytes, kind: str) -> bool:
        """Whether nothing was found in this text as one of its ``kind``."""
        return self._digest(encoded, kind) in self._seen

    def add(self, encoded: bytes, kind: str) -> None:
        """Remember a text; the oldest makes room."""
        if len(self._seen) >= self._entries:
            del self._seen[next(iter(self._seen))]
        self._seen[self._digest(encoded, kind)] = None

    def _digest(self, encoded: bytes, kind: str) -> bytes:
        return hashlib.blake2b(encoded, key=self._key, person=kind.encode()[:16], digest_size=16).digest()


class CleanWords:
    """Remembers keys and names, words of developers rather than of people, in which nothing was found. Kept as they are: a look-up is all they cost."""

    __slots__ = ("_entries", "_words")

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._words: set[str] = set()

    def __contains__(self, word: str) -> bool:
        return word in self._words

    def add(self, word: str) -> None:
        """Remember ``word``, if it is short; when there are too many, all are learnt anew."""
        if len(word) <= _LONGEST_WORD:
            if len(self._words) >= self._entries:
                self._words.clear()
            self._words.add(word)


class Clean(NamedTuple):
    """What a tenant's scanner found nothing in."""

    texts: CleanTexts
    words: CleanWords
