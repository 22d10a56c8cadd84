r"""From the shape of a window to the recognisers that could match there.

A recogniser's pattern, rewritten over the class alphabet (``0`` for digits, ``a`` for letters), accepts every shape that a match of it can have: a superset
by construction. So a shape is looked up once, remembered, and only the recognisers that can match are run on windows of that shape.

Patterns may use: literals, escapes, ``\d``, sets, groups, alternation, counted repeats and look-arounds (which are dropped from the rewritten form).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from gateway.capabilities.findings.model import Recogniser
from gateway.capabilities.findings.text_view import CLASSES

SHAPE_WIDTH = 24
"""Shapes are cut here; no recogniser demands more before it can match."""

_MEMO_ENTRIES = 8192
_TOKEN = re.compile(rb"\{\d+(?:,\d*)?\}|\\.|\[\^?(?:\\.|[^\]\\])+\]|\(\?<?[=!]|\(\?:|.", re.DOTALL)
_LOOK_AROUNDS = frozenset({b"(?=", b"(?!", b"(?<=", b"(?<!"})
_SYNTAX = frozenset({b"(", b")", b"|", b"?", b"*", b"+", b"^", b"$", b".", b"(?:"})


@cache
def _class_set(members: bytes) -> bytes:
    """A set, with each member replaced by its class. Recognisers repeat a few dozen sets, and every tenant has them all."""
    inner = re.compile(rb"[" + members + rb"]")
    classes = {CLASSES[byte] for byte in range(256) if inner.match(bytes([byte]))}
    return b"[" + b"".join(re.escape(bytes([c])) for c in sorted(classes)) + b"]"


def _skip_group(tokens: Sequence[bytes], at: int) -> int:
    depth = 1
    while depth:
        depth += tokens[at].startswith(b"(") - (tokens[at] == b")")
        at += 1
    return at


def class_pattern(pattern: bytes) -> bytes:
    """``pattern`` over the class alphabet."""
    tokens = [m.group() for m in _TOKEN.finditer(pattern)]
    out: list[bytes] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token in _LOOK_AROUNDS:
            at = _skip_group(tokens, at)
        else:
            out.append(_class_token(token))
    return b"".join(out)


def _class_token(token: bytes) -> bytes:
    if token.startswith(b"["):
        return _class_set(token[1:-1])
    if len(token) > 1 and token.startswith(b"\\") and token[1:].isalpha():
        return _class_set(token)
    if token in _SYNTAX:
        return b"(?:" if token == b"(" else token
    if token.startswith(b"{"):
        return token
    return re.escape(bytes([CLASSES[token[-1]]]))


class ShapeIndex:
    """The recognisers that are switched on, by the shapes that they can match. Its memo is bounded."""

    def __init__(self, recognisers: Sequence[Recogniser]) -> None:
        ranked = sorted(recognisers, key=lambda row: row.rank)
        self._rows = tuple((row, re.compile(row.pattern)) for row in ranked)
        # One group for each row, set where its rewritten pattern matches: a single call tells them all.
        self._all = re.compile(b"".join(b"(?=(" + class_pattern(row.pattern) + b")|)" for row in ranked))
        self._memo: dict[bytes, tuple[tuple[Recogniser, re.Pattern[bytes]], ...]] = {}

    def of(self, shape: bytes) -> tuple[tuple[Recogniser, re.Pattern[bytes]], ...]:
        """Recognisers, with their compiled patterns, that could match at the start of a text of this shape; the lowest rank first."""
        found = self._memo.get(shape)
        if found is None:
            if len(self._memo) >= _MEMO_ENTRIES:
                self._memo.clear()
            match = self._all.match(shape)
            spans = match.regs[1:] if match else ()
            found = tuple(entry for entry, span in zip(self._rows, spans, strict=True) if span[0] >= 0)
            self._memo[shape] = found
        return found
