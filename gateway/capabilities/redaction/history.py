"""What is known of the messages of a conversation: an agent sends its whole history again with every turn, and no message of it is taken apart twice.

Nothing of a message is kept: what is known of it says where in its texts which category stands and which placeholder stands for it. The values, and the
texts around them, are read from the message that comes again.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from gateway.capabilities.redaction.leaves import FINDINGS, Leaf, Link, Walk, path
from gateway.capabilities.redaction.pieces import Kind
from gateway.capabilities.redaction.placeholders import letters_in, may_hold_letters
from gateway.capabilities.redaction.places import message_origin, request_place
from gateway.capabilities.redaction.rebuilding import Copies
from gateway.capabilities.redaction.shapes import MESSAGE, PLAIN_KEYS, Role
from gateway.capabilities.redaction.views import View, escape_json
from gateway.domain import FindingCount, Json

_WORDS = PLAIN_KEYS | frozenset(MESSAGE) | {"arguments", "refusal", "input", "transcript"}
"""Keys that may be kept as the place of a text: words of the protocol, none that a caller chose."""
_CONTENT = ("content",)
_TEXTS = frozenset({Role.TEXT, Role.JSON})


class Spot(NamedTuple):
    """A finding in a text, which holds it as it is: ``text[start:end]``. ``bare``: it is a number of a JSON text, a placeholder for it needs quotes."""

    category: str
    start: int
    end: int
    bare: bool


class Text(NamedTuple):
    """A text of a message that holds something: the keys and indices that lead to it from there."""

    steps: tuple[str | int, ...]
    spots: tuple[Spot, ...]


class Known:
    """What is known of a message. ``literal``: it holds what looks like a placeholder."""

    __slots__ = ("_at", "_counts", "_hiding", "_tokens", "literal", "texts", "totals")

    def __init__(self, texts: tuple[Text, ...], at: int, counts: tuple[FindingCount, ...], *, literal: bool) -> None:
        self.texts = texts
        self.literal = literal
        self.totals: dict[str, int] = {}
        """How many findings it has, by category."""
        for one in counts:
            self.totals[one.category] = self.totals.get(one.category, 0) + one.count
        self._at = at
        self._counts = counts
        self._tokens: list[str] = []
        self._hiding: list[tuple[str, ...]] = []

    def counts(self, at: int) -> tuple[FindingCount, ...]:
        """Its findings, merged, where it is message number ``at``: mostly as before."""
        if at != self._at:
            cut, place = len(_place(self._at)), _place(at)
            self._counts = tuple(FindingCount(one.category, one.count, place + one.where[cut:], one.origin) for one in self._counts)
            self._at = at
        return self._counts

    def found(self, message: Json) -> list[tuple[str, str]]:
        """Category and value of each finding, in their order."""
        found: list[tuple[str, str]] = []
        for steps, spots in self.texts:
            text: Any = message
            for step in steps:
                text = text[step]
            found += [(category, text[start:end]) for category, start, end, _ in spots]
        return found

    def shown(self, message: Json, found: list[tuple[str, str]], view: View) -> Json:
        """The message as ``view`` may see it: the very same object if nothing is hidden.

        Right only where nothing in the request is ``literal`` and none of its secrets is a value of another category too.
        """
        hidden = view.hidden_of(self.totals)
        if not hidden:
            return message
        if not self._tokens:
            self._mint(found, view)
        view.hide(hidden, self.totals, self._tokens, found)
        copies: Copies | None = None
        for (steps, spots), hiding in zip(self.texts, self._hiding, strict=True):
            text: Any = message
            for step in steps:
                text = text[step]
            written = _written(text, spots, hiding, hidden)
            if steps == _CONTENT and len(self.texts) == 1:
                return {**message, "content": written}
            copies = copies or Copies(message)
            copies.set(_link(steps), written)
        shown: Json = copies.root if copies else message
        return shown

    def _mint(self, found: list[tuple[str, str]], view: View) -> None:
        self._tokens = [view.vault.placeholder(category, value) for category, value in found]
        tokens = iter(self._tokens)
        self._hiding = [tuple(f'"{next(tokens)}"' if spot.bare else next(tokens) for spot in spots) for _, spots in self.texts]

    @property
    def weight(self) -> int:
        """How much memory this takes, in findings."""
        return 2 + sum(self.totals.values())


class Recalled(NamedTuple):
    """A message of a request, what is known of it, and category and value of each finding in it."""

    at: int
    message: Json
    known: Known
    found: list[tuple[str, str]]


class History:
    """What is known of messages, by a keyed digest of them. ``room`` bounds what is kept, in messages and findings; 0 keeps nothing."""

    __slots__ = ("_hasher", "_held", "_old", "_room", "_young")

    def __init__(self, room: int) -> None:
        self._hasher = blake2b(key=os.urandom(32), digest_size=16)
        self._room = room
        # Two generations: when the young one is full it becomes the old one, and what was not asked for meanwhile is dropped.
        self._young: dict[bytes, Known] = {}
        self._old: dict[bytes, Known] = {}
        self._held = 0

    @property
    def entries(self) -> int:
        """How many messages are known."""
        return len(self._young) + len(self._old)

    def recall(self, body: Json, walk: Walk) -> tuple[list[Recalled], list[Any]]:
        """The messages of ``body`` of which everything is known and that hold something; ``walk`` goes over all others, which come second."""
        recalled: list[Recalled] = []
        others: list[Any] = []
        messages = body.get("messages")
        for index, message in enumerate(messages if type(messages) is list else ()):
            encoded = _encoded(message)
            known = self._known(message, index, encoded, walk) if encoded else None
            if known is not None:
                if known.texts or known.literal:
                    recalled.append(Recalled(index, message, known, known.found(message)))
            else:
                others.append(message)
                if not encoded:
                    walk.over_message(index, message)
        return recalled, others

    def _known(self, message: Json, index: int, encoded: bytes, walk: Walk) -> Known | None:
        """What is known of a message. ``None`` is nothing: then what ``walk`` found in it stays there."""
        hasher = self._hasher.copy()
        hasher.update(encoded)
        digest = hasher.digest()
        known = self._young.get(digest)
        if known is not None:
            return known
        known = self._old.get(digest)
        if known is None:
            before, media = len(walk.leaves), len(walk.media)
            walk.over_message(index, message)
            if len(walk.media) == media:
                known = learnt(message, index, encoded, walk.leaves[before:])
            if known is None:
                return None
            del walk.leaves[before:]
        self._remember(digest, known)
        return known

    def _remember(self, digest: bytes, known: Known) -> None:
        weight = known.weight
        if self._held + weight > self._room // 2:
            self._old, self._young, self._held = self._young, {}, 0
        if weight <= self._room // 2:
            self._young[digest] = known
            self._held += weight


def learnt(message: Json, at: int, encoded: bytes, leaves: list[Leaf]) -> Known | None:
    """What is to be known of a message, number ``at`` and ``encoded``, by what was found in it.

    ``None`` where it holds more than findings that stand as they are in texts: those are taken apart every time.
    """
    texts: list[Text] = []
    counts: dict[tuple[str, str], int] = {}
    literal = may_hold_letters(encoded)
    for leaf in leaves:
        steps = path(leaf.link)
        inner = tuple(steps[2:])
        spots = _spots(leaf) if _may_be_kept(inner) else None
        if spots is None:
            return None
        literal = literal or _literal_inside(leaf)
        texts.append(Text(inner, spots))
        where = request_place(steps)
        for spot in spots:
            counts[where, spot.category] = counts.get((where, spot.category), 0) + 1
    origin = message_origin(message)
    ordered = sorted(counts.items(), key=_where) if len(texts) > 1 else counts.items()
    return Known(tuple(texts), at, tuple(FindingCount(category, count, where, origin) for (where, category), count in ordered), literal=literal)


def _may_be_kept(steps: tuple[str | int, ...]) -> bool:
    return steps == _CONTENT or all(type(step) is int or step in _WORDS for step in steps)


def _literal_inside(leaf: Leaf) -> bool:
    """Whether what looks like a placeholder stands in a JSON text once its escapes are taken out."""
    return leaf.role is Role.JSON and any(letters_in(piece.text) for piece in leaf.pieces)


def _where(counted: tuple[tuple[str, str], int]) -> str:
    return counted[0][0]


def _spots(leaf: Leaf) -> tuple[Spot, ...] | None:
    """Where the findings of a leaf stand in its text; ``None`` if it is no text, or its pieces say it in another way than it does."""
    if leaf.is_key or leaf.role not in _TEXTS:
        return None
    spots: list[Spot] = []
    position = 0
    for kind, text, category, escape in leaf.pieces:
        spelt = escape_json(text) if escape else text
        end = position + len(spelt)
        if leaf.role is Role.JSON and (leaf.text[position:end] != spelt or kind is Kind.MORE):
            return None
        if kind in FINDINGS:
            if spelt != text:
                return None
            spots.append(Spot(category, position, end, kind is Kind.NUMBER))
        position = end
    return tuple(spots) if position == len(leaf.text) else None


def _written(text: str, spots: tuple[Spot, ...], hiding: tuple[str, ...], hidden: Container[str]) -> str:
    """``text`` with what hides it in place of each finding whose category is hidden."""
    written: list[str] = []
    position = 0
    for (category, start, end, _), instead in zip(spots, hiding, strict=True):
        if category in hidden:
            written += text[position:start], instead
            position = end
    written.append(text[position:])
    return "".join(written)


def show_all(body: Json, original: Json, recalled: Iterable[Recalled], view: View) -> Json:
    """``body``, a copy of ``original`` or the same, with what is recalled of its messages as ``view`` may see it."""
    messages: list[Any] | None = None
    for at, message, known, found in recalled:
        shown = known.shown(message, found, view)
        if shown is not message:
            if messages is None:
                messages = list(body["messages"])
            messages[at] = shown
    if messages is None:
        return body
    if body is original:
        return {**body, "messages": messages}
    body["messages"] = messages
    return body


def _encoded(message: Any) -> bytes:
    """A message as it is told from others; empty where that cannot be, or is not worth it: media would be encoded anew with every turn."""
    if type(message) is not dict:
        return b""
    content = message.get("content")
    if type(content) is list and not all(type(part) is dict and part.get("type") == "text" for part in content):
        return b""
    try:
        return orjson.dumps(message)
    except TypeError:  # nothing that came over the wire
        return b""


def _link(steps: Iterable[str | int]) -> Link:
    link: Link = None
    for step in steps:
        link = (link, step)
    return link


def _place(index: int) -> str:
    return f"messages[{index}]"
