from __future__ import annotations

from gateway.capabilities.redaction.pieces import END, Kind, LeafPieces, Piece, pieces_of
from gateway.capabilities.redaction.scanning import Segment, WholeSegment
from gateway.domain import Finding


class Given:
    """A segment stream that gives what it was given."""

    def __init__(self, *segments: Segment) -> None:
        self._segments = segments

    def push(self, delta: str, /) -> tuple[Segment, ...]:
        return self._segments if delta else ()

    def finish(self) -> tuple[Segment, ...]:
        return ()


def test_a_whole_text_is_cut_at_its_findings() -> None:
    assert pieces_of("a bc d", [Finding("X", 2, 4)]) == [Piece(Kind.TEXT, "a "), Piece(Kind.FOUND, "bc", "X"), Piece(Kind.TEXT, " d"), END]
    assert pieces_of("", []) == [END]


def test_further_parts_of_a_secret_are_swallowed_and_of_others_marked() -> None:
    pieces = LeafPieces(Given(WholeSegment("sk", "SECRET"), WholeSegment("more", "SECRET", continued=True), WholeSegment(" ", None)))
    assert pieces.push("x") == [Piece(Kind.FOUND, "sk", "SECRET"), Piece(Kind.TEXT, " ")]
    pieces = LeafPieces(Given(WholeSegment("a", "WORD"), WholeSegment("b", "WORD", continued=True)), escape=True)
    assert pieces.push("x") == [Piece(Kind.FOUND, "a", "WORD", escape=True), Piece(Kind.MORE, "b", "WORD", escape=True)]
    assert pieces.finish() == [END]
