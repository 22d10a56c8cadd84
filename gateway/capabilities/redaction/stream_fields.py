"""The fields of a streamed answer: each is a text of its own, scanned once and rendered for the caller and for the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.capabilities.redaction.json_pieces import JsonPieces
from gateway.capabilities.redaction.leaves import FREE_SHAPES, Leaf, Link, Walk
from gateway.capabilities.redaction.pieces import Kind, LeafPieces, Piece, PieceStream
from gateway.capabilities.redaction.rebuilding import Copies, rebuild
from gateway.capabilities.redaction.scanning import Clean, StreamingScanner
from gateway.capabilities.redaction.shapes import CONSTANTS, MESSAGE, Role, Shape
from gateway.capabilities.redaction.views import Renderer, View

_FRAME_WORDS = 1_000
_WHOLE_KEYS = frozenset({"id", "type", "format", "role", "name", "object"})
"""Strings that a chunk holds whole, at any depth: they are not continued by the next chunk."""


@dataclass(slots=True, kw_only=True)
class StreamContext:
    """What all fields of one stream share."""

    scanner: StreamingScanner
    caller: View
    record: View
    is_new: Callable[[str, str], bool]
    clean: Clean
    allow_unscanned: bool
    tool_names: Callable[[], frozenset[str]]
    """Names of the tools that the model may call; asked only once it calls one."""
    found: list[tuple[str, str]] = field(default_factory=list)
    """Category and place of each finding so far."""
    frame: set[str] = field(default_factory=set)
    """Words of the stream's frame that were scanned: most come with every chunk."""

    def note(self, pieces: list[Piece], where: str) -> None:
        """Count what was found."""
        for kind, text, category, _ in pieces:
            if kind in {Kind.FOUND, Kind.NUMBER} and self.is_new(category, text):
                self.found.append((category, where))

    def whole(self, value: Any, shape: Shape, where: str) -> Any:
        """A value that no other chunk continues, as the caller may see it."""
        if type(value) is str and (value in self.frame or value in CONSTANTS):
            return value
        walk = Walk(self.scanner.scan, self.clean, answer=True)
        walk.over(value, shape)
        self.found += [(category, where) for leaf in walk.leaves for category, text in leaf.found if self.is_new(category, text)]
        shown = rebuild(value, walk.leaves, self.caller).value
        if type(value) is str and shown == value and len(self.frame) < _FRAME_WORDS:
            self.frame.add(value)
        return shown


class Field:
    """One text of one choice, from its first chunk to its last."""

    __slots__ = ("_caller", "_context", "_emitted", "_kept", "_pieces", "_received", "_record", "_released", "_where")

    def __init__(self, context: StreamContext, where: str, *, json: bool, cue: str | None = None) -> None:
        scanner = context.scanner
        self._context = context
        self._where = where
        self._pieces: PieceStream = JsonPieces(scanner.stream, scanner.scan) if json else LeafPieces(scanner.stream(cue))
        self._caller = Renderer(context.caller, json=json)
        self._record = Renderer(context.record, json=json)
        self._released: list[str] = []
        self._kept: list[str] = []
        self._received = 0
        self._emitted = 0

    def push(self, delta: str) -> str:
        """What the caller gets of the text now that ``delta`` was added."""
        self._received += len(delta)
        pieces = self._pieces.push(delta)
        if len(pieces) == 1 and self._passes(pieces[0]):
            text = pieces[0].text
            self._kept.append(text)
            self._released.append(text)
            self._emitted += len(text)
            return text
        return self._render(pieces, release=True)

    def finish(self) -> str:
        """What the caller has not got yet: the text is complete."""
        return self._render(self._pieces.finish(), release=True)

    def drop(self) -> None:
        """The stream broke off: what is held goes to the record alone."""
        self._render(self._pieces.finish(), release=False)

    @property
    def touched(self) -> bool:
        """Whether the caller's text differs from the model's."""
        return self._caller.touched

    @property
    def settled(self) -> bool:
        """Whether the caller has the model's text so far, whole and as it was."""
        return not self._caller.touched and self._emitted == self._received

    @property
    def released(self) -> str:
        """All that the caller got."""
        return "".join(self._released)

    @property
    def kept(self) -> str:
        """All that the record keeps."""
        return "".join(self._kept)

    def _passes(self, piece: Piece) -> bool:
        """Whether a piece stays as it is for the caller and for the record."""
        kind, text, _, escape = piece
        if kind is not Kind.TEXT or escape or self._caller.holds or self._record.holds:
            return False
        return not (self._context.caller.restorer.concerns(text) or self._context.record.restorer.concerns(text))

    def _render(self, pieces: list[Piece], *, release: bool) -> str:
        if not pieces:
            return ""
        self._context.note(pieces, self._where)
        self._kept.append(self._record.render(pieces))
        if not release:
            return ""
        text = self._caller.render(pieces)
        self._emitted += len(text)
        self._released.append(text)
        return text


class NestedField:
    """An unknown field of a delta that is not a string: each string in it, told apart by its path, is a text that the next chunk may continue."""

    def __init__(self, context: StreamContext, key: str, where: str) -> None:
        self._context = context
        self._key = key
        self._shape = MESSAGE.get(key, Role.FREE)
        self._where = where
        self._fields: dict[Any, Field] = {}
        self._last: Any = None

    def push(self, value: Any) -> Any:
        """``value`` as the caller may see it so far; ``None`` if a key in it holds a finding."""
        context = self._context
        walk = Walk(context.scanner.scan, context.clean, keep=True)
        walk.over(value, self._shape)
        copies = Copies(value)
        for leaf in walk.leaves:
            step = leaf.link[1] if leaf.link else None
            if leaf.is_key:
                return None
            if leaf.role is Role.NUMBER:
                context.note(leaf.pieces, self._where)
                copies.set(leaf.link, Renderer(context.caller, json=False).render(leaf.pieces))
            elif leaf.role is Role.IDENTIFIER or step in _WHOLE_KEYS:
                copies.set(leaf.link, context.whole(leaf.text, Role.IDENTIFIER, self._where))
            else:
                copies.set(leaf.link, self._field(leaf).push(leaf.text))
        for item in walk.media:
            if item.payload and not context.allow_unscanned:
                copies.set(item.link, "")
        self._last = copies.root
        return self._last

    def _field(self, leaf: Leaf) -> Field:
        one = self._fields.get(leaf.link)
        if one is None:
            one = self._fields[leaf.link] = Field(self._context, self._where, json=leaf.role is Role.JSON, cue=self._cue(leaf.link))
        return one

    def _cue(self, link: Link) -> str | None:
        """The nearest key, as for a complete answer."""
        while link is not None and isinstance(link[1], int):
            link = link[0]
        key = self._key if link is None else str(link[1])
        return None if key in FREE_SHAPES else key

    def finish(self, delta: Any) -> Any:
        """``delta``, this field's value in the chunk of the finish, with what was held added.

        Where the chunk has none, the last value gives the form, and there is none if nothing was held.
        """
        rests = {link: one.finish() for link, one in self._fields.items()}
        if not any(rests.values()):
            return delta
        copies = Copies(self._last)
        for link, rest in rests.items():
            try:
                shown = copies.own(link[0])[link[1]] if link and delta is not None else ""
                copies.set(link, shown + rest)
            except (LookupError, TypeError, AttributeError):  # the last value has another form: there is no place for the rest, so it stays unsaid
                continue
        return copies.root

    @property
    def fields(self) -> list[Field]:
        """The texts in it."""
        return list(self._fields.values())
