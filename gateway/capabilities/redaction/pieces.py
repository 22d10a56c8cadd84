"""A text cut into pieces: what was found in it, and the rest. Pieces are made once and rendered for each destination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from gateway.capabilities.redaction.scanning import Segment, SegmentStream
from gateway.domain import SECRET, Finding


class Kind(IntEnum):
    """What a piece is."""

    RAW = 0
    """Passes as it is: the punctuation of a JSON text."""
    TEXT = 1
    """Text without findings; placeholders in it may be restored."""
    FOUND = 2
    MORE = 3
    """A further part of the finding before it, whose beginning has been handed out already."""
    NUMBER = 4
    """A number of a JSON text that is a finding: hidden, it becomes a string."""
    END = 5
    """The end of a text, so nothing more completes a placeholder."""


class Piece(NamedTuple):
    """A part of a text. ``escape``: ``text`` is the decoded content of a JSON string and is to be escaped again."""

    kind: Kind
    text: str
    category: str = ""
    escape: bool = False


END = Piece(Kind.END, "")


class PieceStream(Protocol):
    """A text that is cut into pieces as it comes."""

    def push(self, delta: str, /) -> list[Piece]:
        """The pieces that are certain once ``delta`` was added."""

    def finish(self) -> list[Piece]:
        """The pieces that were held, and the end."""


def pieces_of(text: str, findings: Iterable[Finding]) -> list[Piece]:
    """A whole text as pieces."""
    pieces: list[Piece] = []
    position = 0
    for category, start, end in findings:
        if start > position:
            pieces.append(Piece(Kind.TEXT, text[position:start]))
        pieces.append(Piece(Kind.FOUND, text[start:end], category))
        position = end
    if position < len(text):
        pieces.append(Piece(Kind.TEXT, text[position:]))
    pieces.append(END)
    return pieces


class LeafPieces:
    """A streamed text as pieces. ``escape``: it is the decoded content of a JSON string.

    Of an over-long secret only the beginning is a piece: it is hidden from everyone, so that its further parts need not be known.
    """

    __slots__ = ("_escape", "_segments")

    def __init__(self, segments: SegmentStream, *, escape: bool = False) -> None:
        self._segments = segments
        self._escape = escape

    def push(self, delta: str, /) -> list[Piece]:
        """The pieces that are certain once ``delta`` was added."""
        return self._pieces(self._segments.push(delta))

    def finish(self) -> list[Piece]:
        """The pieces that were held, and the end."""
        return [*self._pieces(self._segments.finish()), END]

    def _pieces(self, segments: Sequence[Segment]) -> list[Piece]:
        pieces: list[Piece] = []
        for segment in segments:
            category = segment.category
            if category is None:
                pieces.append(Piece(Kind.TEXT, segment.text, "", self._escape))
            elif not segment.continued:
                pieces.append(Piece(Kind.FOUND, segment.text, category, self._escape))
            elif category != SECRET:
                pieces.append(Piece(Kind.MORE, segment.text, category, self._escape))
        return pieces
