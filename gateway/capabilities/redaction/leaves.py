"""Walks a JSON value, finds what is in its leaves, and rebuilds it as one destination may see it.

Only leaves that hold something become objects; a value without findings costs the scans alone. Rebuilding copies the containers on the way to a changed
leaf and shares everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from gateway.capabilities.redaction.json_pieces import JsonPieces
from gateway.capabilities.redaction.pieces import END, Kind, Piece, pieces_of
from gateway.capabilities.redaction.placeholders import may_restore
from gateway.capabilities.redaction.scanning import Clean, Scan, WholeSegments
from gateway.capabilities.redaction.shapes import CONSTANTS, MEDIA_KINDS, MEDIA_PARTS, PART, PLAIN_KEYS, TEXT_PARTS, Role, Shape
from gateway.capabilities.redaction.views import Renderer, View
from gateway.domain import Finding

Link: TypeAlias = tuple["Link", str | int] | None
"""Where a value stands: the place of its container, and its key or index there. ``None`` is the root."""

_LONG_NUMBER = 1_000_000
_NO_CUE = frozenset({"content", "text", "description"})


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
        return [(piece.category, piece.text) for piece in self.pieces if piece.kind in {Kind.FOUND, Kind.NUMBER}]


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
    """One walk over a value. ``answer`` keeps leaves without findings too that can hold a placeholder, and every JSON text; ``keep`` keeps all.

    What is kept can be rendered; what is not is the same for every destination.
    """

    def __init__(self, scan: Scan, clean: Clean, *, answer: bool = False, keep: bool = False) -> None:
        self._scan = scan
        self._clean = clean
        self._answer = answer or keep
        self._keep = keep
        self.leaves: list[Leaf] = []
        self.media: list[Media] = []

    def over(self, root: Any, shape: Shape) -> None:
        """Walk ``root``. Iterative, so depth is no limit."""
        stack: list[tuple[Any, Link, Shape, str | None]] = [(root, None, shape, None)]
        while stack:
            node, link, shape, cue = stack.pop()
            kind = type(node)
            if kind is dict:
                self._dict(node, link, shape, stack)
            elif kind is list:
                self._list(node, link, shape, cue, stack)
            elif kind is str:
                self._string(node, link, shape, cue)
            elif shape is not Role.SKIP and kind is not bool and node is not None and abs(node) >= _LONG_NUMBER:
                self._number(node, link, cue)

    def _dict(self, node: dict[str, Any], link: Link, shape: Shape, stack: list[tuple[Any, Link, Shape, str | None]]) -> None:
        if shape is Role.SKIP:
            return
        if shape is Role.CONTENT or shape is PART:
            shape = PART
            self._part(node, link)
        known = None if isinstance(shape, Role) else shape
        for key, value in node.items():
            inner = None if known is None else known.get(key)
            if inner is None:
                inner = Role.JSON if key == "arguments" else Role.TEXT if key in _NO_CUE else Role.FREE
                if key not in PLAIN_KEYS:
                    self._key(key, (link, key))
            if inner is Role.CONSTANT and type(value) is str and value in CONSTANTS:
                continue
            if type(value) is str:
                self._string(value, (link, key), inner, key)
            elif value is not None and value is not True and value is not False:
                stack.append((value, (link, key), inner, key))

    def _list(self, node: list[Any], link: Link, shape: Shape, cue: str | None, stack: list[tuple[Any, Link, Shape, str | None]]) -> None:
        if shape is Role.CONTENT or shape is PART:
            shape = PART
            if any(type(item) is int for item in node):
                self.media.append(Media(link, "tokens", payload=False))
        elif shape is Role.SKIP:
            return
        elif shape is Role.FREE and _is_root_parameter(link) and node and all(type(item) is int for item in node):
            self.media.append(Media(link, "tokens", payload=False))
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
        if role is Role.FREE:
            self.text(text, link, self._scan(text, key=cue))
        elif role is Role.CONSTANT:
            self.text(text, link, self._word(text))
        elif role is Role.TEXT or role is Role.CONTENT:
            self.text(text, link, self._scan(text))
        elif role is Role.JSON:
            self._json(text, link)
        elif role is Role.IDENTIFIER:
            findings = self._word(text)
            if findings or self._keep or (self._answer and may_restore(text)):
                self.leaves.append(Leaf(link, Role.IDENTIFIER, text, [], findings))
        elif role in MEDIA_KINDS:
            self._media(text, link, role)

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
            self.text(text, link, self._scan(text))
        else:
            self.media.append(Media(link, MEDIA_KINDS[role], payload=True))

    def text(self, text: str, link: Link, findings: tuple[Finding, ...]) -> None:
        """Keep a text if there is anything in it."""
        if findings or self._keep or (self._answer and may_restore(text)):
            self.leaves.append(Leaf(link, Role.TEXT, text, pieces_of(text, findings)))

    def _json(self, text: str, link: Link) -> None:
        if not self._answer and text in self._clean.texts:
            return
        stream = JsonPieces(partial(WholeSegments, self._scan), self._scan)
        pieces = stream.push(text) + stream.finish()
        if self._answer or any(piece.kind in {Kind.FOUND, Kind.NUMBER} for piece in pieces):
            self.leaves.append(Leaf(link, Role.JSON, text, pieces))
        else:
            self._clean.texts.add(text)

    def _number(self, number: float, link: Link, cue: str | None) -> None:
        text = str(number)
        findings = self._scan(text, key=cue)
        if findings:
            self.leaves.append(Leaf(link, Role.SKIP, text, [Piece(Kind.FOUND, text, findings[0].category), END]))

    def _key(self, key: str, link: Link) -> None:
        findings = self._word(key)
        if findings or (self._answer and may_restore(key)):
            self.leaves.append(Leaf(link, Role.TEXT, key, pieces_of(key, findings), is_key=True))


def _is_root_parameter(link: Link) -> bool:
    return link is not None and link[0] is None


class Rebuilt(NamedTuple):
    """A value as a destination sees it, and the leaves that differ from the original."""

    value: Any
    touched: list[Leaf]


def rebuild(root: Any, leaves: Iterable[Leaf], view: View, media: Iterable[Link] = (), *, respell: bool = False) -> Rebuilt:
    """``root`` as ``view`` may see it: the very same object if nothing differs, else a copy that shares what is untouched.

    ``media`` are the places of payloads to be left out. ``respell``: JSON texts have the escapes that a stream gives them, even if nothing else differs.
    """
    copies = Copies(root)
    touched: list[Leaf] = []
    renamed: list[tuple[Leaf, str]] = []
    for leaf in leaves:
        text, differs = _rendered(leaf, view)
        if differs:
            touched.append(leaf)
        elif not respell or text == leaf.text:
            continue
        if leaf.is_key:
            renamed.append((leaf, text))
        else:
            copies.set(leaf.link, text)
    for link in media:
        copies.set(link, "<UNSCANNED>")
    renamed.sort(key=lambda item: -len(path(item[0].link)))  # deepest first: places are named by the original keys
    for leaf, text in renamed:
        copies.rename(leaf.link, text)
    return Rebuilt(copies.root, touched)


def _rendered(leaf: Leaf, view: View) -> tuple[str, bool]:
    """A leaf as ``view`` may see it, and whether that says something else than the original."""
    if leaf.role is Role.IDENTIFIER:
        text = view.identifier(leaf.text, leaf.findings)
        return text, text != leaf.text
    renderer = Renderer(view, json=leaf.role is Role.JSON)
    return renderer.render(leaf.pieces), renderer.touched


class Copies:
    """Copies of the containers on the way to what was changed."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._copies: dict[Link, Any] = {}

    def set(self, link: Link, value: Any) -> None:
        """Put ``value`` at ``link``."""
        if link is None:
            self.root = value
        else:
            self.own(link[0])[link[1]] = value

    def rename(self, link: Link, new: str) -> None:
        """Give a key another name in its place; two keys that become the same are told apart."""
        if link is None:
            return
        owner, old = self.own(link[0]), link[1]
        number = 1
        name = new
        while name in owner:
            number += 1
            name = f"{new}_{number}"
        items = [(name if key == old else key, value) for key, value in owner.items()]
        owner.clear()
        owner.update(items)

    def own(self, link: Link) -> Any:
        """The container at ``link``, copied if that has not been done yet."""
        missing: list[tuple[Link, str | int]] = []
        while link is not None and link not in self._copies:
            missing.append(link)
            link = link[0]
        copy = self._copies.get(link)
        if copy is None:
            copy = self.root = self._copies[None] = self.root.copy()
        for place in reversed(missing):
            step = place[1]
            copy[step] = self._copies[place] = copy[step].copy()
            copy = copy[step]
        return copy
