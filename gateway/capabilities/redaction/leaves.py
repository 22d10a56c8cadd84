"""Walks a JSON value and finds what is in its leaves. Only leaves that hold something become objects; a value without findings costs the scans alone."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, TypeAlias

import orjson

from gateway.capabilities.redaction.json_leaves import is_clean, leaves_as_it_is
from gateway.capabilities.redaction.json_pieces import JsonPieces
from gateway.capabilities.redaction.pieces import END, Kind, Piece, pieces_of
from gateway.capabilities.redaction.placeholders import may_restore
from gateway.capabilities.redaction.scanning import Clean, Scan, WholeSegments
from gateway.capabilities.redaction.shapes import CONSTANTS, MEDIA_KINDS, MEDIA_PARTS, MESSAGE, PART, PLAIN_KEYS, REQUEST, TEXT_PARTS, Fields, Role, Shape
from gateway.domain import Finding

Link: TypeAlias = tuple["Link", str | int] | None
"""Where a value stands: the place of its container, and its key or index there. ``None`` is the root."""

_Visit: TypeAlias = tuple[Any, Link, Shape, str | None]
"""A value, its place, its shape, and the key that is its cue."""

_MESSAGES: Link = (None, "messages")
_RESENT = ("tools", "functions", "response_format")
_BARE = frozenset({bool, type(None)})
_INTS = {int}
_FREE = frozenset({Role.FREE, Role.NUMBER})
_WORDS = _FREE | {Role.TEXT, Role.CONTENT}
_LONG_NUMBER = 1_000_000
FINDINGS = frozenset({Kind.FOUND, Kind.NUMBER})
"""Kinds of pieces that are findings."""
_NOTHING: Fields = {}
FREE_SHAPES: Fields = {"arguments": Role.JSON, "content": Role.TEXT, "text": Role.TEXT, "description": Role.TEXT}
"""Keys that mean the same wherever they stand."""


class Leaf(NamedTuple):
    """A leaf, or a key (``is_key``), that holds something. Which of the fields is filled depends on ``role``."""

    link: Link
    role: Role
    text: str
    pieces: list[Piece]
    """For texts, JSON texts and numbers."""
    findings: tuple[Finding, ...] = ()
    """For identifiers."""
    is_key: bool = False

    @property
    def found(self) -> list[tuple[str, str]]:
        """Category and value of each finding."""
        if self.role is Role.IDENTIFIER:
            return [(category, self.text[start:end]) for category, start, end in self.findings]
        return [(category, text) for kind, text, category, _ in self.pieces if kind in FINDINGS]


class Media(NamedTuple):
    """Content that nobody could scan. ``payload`` is whether a leaf of its own stands at ``link``."""

    link: Link
    kind: str
    payload: bool


def path(link: Link) -> list[str | int]:
    """The keys and indices that lead to ``link``."""
    steps: list[str | int] = []
    while link is not None:
        link, step = link
        steps.append(step)
    steps.reverse()
    return steps


class Walk:
    """One walk over a value. ``answer`` keeps leaves without findings too that can hold a placeholder, or whose JSON is spelled in another way; ``keep`` all.

    What is kept can be rendered; what is not is the same for every destination.
    """

    def __init__(self, scan: Scan, clean: Clean, *, answer: bool = False, keep: bool = False) -> None:
        self._scan = scan
        self._clean = clean
        self._answer = answer or keep
        self._keep = keep
        self.leaves: list[Leaf] = []
        self.media: list[Media] = []
        self.encoded: list[bytes] = []
        """Parameters of a request that are mostly the same, as they were told from others."""

    def over(self, root: Any, shape: Shape) -> None:
        """Walk ``root``. Iterative, so depth is no limit."""
        self._walk([(root, None, shape, None)])

    def over_parameters(self, body: dict[str, Any]) -> dict[str, Any]:
        """Walk a chat request but for its messages. What is sent again with every turn and was found clean before is not walked again.

        Returns the rest: what ``encoded`` does not hold.
        """
        rest = dict(body)
        if type(rest.get("messages")) is list:
            del rest["messages"]
        for name in _RESENT:
            if rest.get(name) and self._again(name, rest[name]):
                del rest[name]
        self._walk([(rest, None, REQUEST, None)])
        return rest

    def over_message(self, index: int, message: Any) -> None:
        """Walk one message of a chat request."""
        self._walk([(message, (_MESSAGES, index), MESSAGE, "messages")])

    def _again(self, name: str, value: Any) -> bool:
        """Walk a parameter unless it was clean before. Whether it could be encoded; if not, nothing was done."""
        try:
            encoded = orjson.dumps(value)
        except TypeError:  # nothing that came over the wire
            return False
        self.encoded.append(encoded)
        if not self._clean.texts.knows(encoded, name):
            before = len(self.leaves) + len(self.media)
            self._walk([(value, (None, name), REQUEST[name], name)])
            if len(self.leaves) + len(self.media) == before:
                self._clean.texts.add(encoded, name)
        return True

    def _walk(self, stack: list[_Visit]) -> None:
        while stack:
            node, link, shape, cue = stack.pop()
            kind = type(node)
            if shape is Role.LOGPROBS:
                continue
            if kind is dict:
                self._dict(node, link, shape, stack)
            elif kind is list:
                self._list(node, link, shape, cue, stack)
            elif kind is str:
                self._string(node, link, shape, cue)
            elif shape is not Role.NUMBER and kind not in _BARE and abs(node) >= _LONG_NUMBER:
                self._number(node, link, cue)

    def _dict(self, node: dict[str, Any], link: Link, shape: Shape, stack: list[_Visit]) -> None:
        if shape is Role.CONTENT or shape is PART:
            shape = PART
            self._part(node, link)
        known = _NOTHING if isinstance(shape, Role) else shape
        unknown = Role.NUMBER if shape is Role.NUMBER else Role.FREE
        for key, value in node.items():
            inner = known.get(key) or FREE_SHAPES.get(key, unknown)
            if key not in PLAIN_KEYS and key not in known:
                self._key(key, (link, key))
            if type(value) is str:
                self._string(value, (link, key), inner, key)
            elif type(value) not in _BARE:
                stack.append((value, (link, key), inner, key))

    def _list(self, node: list[Any], link: Link, shape: Shape, cue: str | None, stack: list[_Visit]) -> None:
        kinds = set(map(type, node))
        bare = kinds == _INTS
        if shape is Role.CONTENT or shape is PART:
            shape = PART
            if int in kinds:
                self.media.append(Media(link, "tokens", payload=bare and not self._answer))
        elif bare and shape is Role.FREE and _is_root_parameter(link):
            self.media.append(Media(link, "tokens", payload=not self._answer))
        if bare:  # tokens come by the hundred thousand, and few are long enough to be looked at
            stack.extend((item, (link, index), shape, cue) for index, item in enumerate(node) if abs(item) >= _LONG_NUMBER)
        else:
            stack.extend((item, (link, index), shape, cue) for index, item in enumerate(node))

    def _part(self, node: dict[str, Any], link: Link) -> None:
        """Note what of a content part cannot be scanned; a kind of part that is not known cannot either."""
        media = [kind for key, kind in MEDIA_PARTS.items() if node.get(key) is not None]
        kind = node.get("type")
        if not media and not (isinstance(kind, str) and kind in TEXT_PARTS):
            media = ["file"]
        self.media += [Media(link, kind, payload=False) for kind in media]

    def _string(self, text: str, link: Link, shape: Shape, cue: str | None) -> None:
        role = shape if isinstance(shape, Role) else shape.get("", Role.TEXT if shape is PART else Role.FREE)
        if role in _WORDS:
            self._words(text, link, cue if role in _FREE else None)
        elif role is Role.CONSTANT:
            self._text(text, link, () if text in CONSTANTS else self._word(text))
        elif role is Role.JSON:
            self._json(text, link)
        elif role is Role.IDENTIFIER:
            findings = self._word(text)
            if self._keeps(text, findings):
                self.leaves.append(Leaf(link, Role.IDENTIFIER, text, [], findings))
        elif role in MEDIA_KINDS:
            self._media(text, link, role)

    def _words(self, text: str, link: Link, cue: str | None) -> None:
        if not self._answer and _hides_in_json(text):
            self._json(text, link)
        else:
            self._text(text, link, self._scan(text) if cue is None else self._scan(text, key=cue))

    def _keeps(self, text: str, findings: tuple[Finding, ...]) -> bool:
        return bool(findings) or self._keep or (self._answer and may_restore(text))

    def _word(self, word: str) -> tuple[Finding, ...]:
        """Findings of a key, an id, a name: short, and mostly the same from request to request."""
        if word in self._clean.words:
            return ()
        findings = self._scan(word)
        if not findings:
            self._clean.words.add(word)
        return findings

    def _media(self, text: str, link: Link, role: Role) -> None:
        if role is Role.IMAGE and not text.startswith("data:"):
            self._text(text, link, self._scan(text))
        else:
            self.media.append(Media(link, MEDIA_KINDS[role], payload=True))

    def _text(self, text: str, link: Link, findings: tuple[Finding, ...]) -> None:
        if self._keeps(text, findings):
            self.leaves.append(Leaf(link, Role.TEXT, text, pieces_of(text, findings)))

    def _json(self, text: str, link: Link) -> None:
        encoded = b"" if self._answer else text.encode("utf-8", "surrogatepass")
        if encoded and self._clean.texts.knows(encoded, "json"):
            return
        if self._is_plain_json(text):
            if encoded:
                self._clean.texts.add(encoded, "json")
            return
        stream = JsonPieces(partial(WholeSegments, self._scan), self._scan)
        pieces = stream.push(text) + stream.finish()
        if self._answer or any(piece.kind in FINDINGS for piece in pieces):
            self.leaves.append(Leaf(link, Role.JSON, text, pieces))
        elif encoded:
            self._clean.texts.add(encoded, "json")

    def _is_plain_json(self, text: str) -> bool:
        """Whether a JSON text holds nothing that would be a leaf."""
        if self._keep or may_restore(text) or not is_clean(text, self._scan, self._word):
            return False
        return not self._answer or leaves_as_it_is(text)

    def _number(self, number: float, link: Link, cue: str | None) -> None:
        text = str(int(number)) if float(number).is_integer() else str(number)
        findings = self._scan(text, key=cue)
        if findings:
            self.leaves.append(Leaf(link, Role.NUMBER, text, [Piece(Kind.FOUND, text, findings[0].category), END]))

    def _key(self, key: str, link: Link) -> None:
        findings = self._word(key)
        if findings or (self._answer and may_restore(key)):
            self.leaves.append(Leaf(link, Role.TEXT, key, pieces_of(key, findings), is_key=True))


def _hides_in_json(text: str) -> bool:
    """Whether a text is a JSON text whose escapes could spell a value that no scan of it as it stands finds."""
    return "\\u" in text and text.lstrip()[:1] in {"{", "["}


def _is_root_parameter(link: Link) -> bool:
    return link is not None and link[0] is None
