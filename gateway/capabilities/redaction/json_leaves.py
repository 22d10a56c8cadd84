"""A JSON text that came whole, by the standard library's parser: tells in a fraction of the time whether ``json_pieces`` would find anything in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from gateway.capabilities.redaction.json_pieces import LONG_NUMBER, LONGEST_CUE, LONGEST_NUMBER
from gateway.capabilities.redaction.scanning import Scan
from gateway.domain import Finding

_OWN_SPELLING: Final = re.compile(r'(?:[^\\\ud800-\udfff]++|\\["\\bfnrt])*+')
"""JSON with no other escapes than those that a rendered JSON text has."""


class _Members(list[tuple[str, Any]]):
    """An object with every member, also those whose key comes again."""


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number, parse_constant=_refuse)


def is_clean(text: str, scan: Scan, word: Callable[[str], tuple[Finding, ...]]) -> bool:
    """Whether a text is JSON in whose leaves and keys nothing is found. What is no JSON is not clean: others look closer.

    Each string is scanned under the key that it stands under, a long number too; a key as a ``word``.
    """
    try:
        stack: list[tuple[Any, str | None]] = [(_DECODER.decode(text), None)]
    except (ValueError, RecursionError):
        return False
    while stack:
        node, cue = stack.pop()
        if type(node) is _Members:
            if any(word(key) for key, _ in node):
                return False
            stack.extend((value, key[:LONGEST_CUE] or None) for key, value in node)
        elif type(node) is list:
            stack.extend((item, cue) for item in node)
        elif _holds_something(node, cue, scan):
            return False
    return True


def _holds_something(node: Any, cue: str | None, scan: Scan) -> bool:
    if type(node) is _Number:
        return len(node) >= LONG_NUMBER and (len(node) > LONGEST_NUMBER or bool(scan(str(node), key=cue)))
    return type(node) is str and bool(scan(node, key=cue))


def leaves_as_it_is(text: str) -> bool:
    """Whether a JSON text in which nothing was found is rendered as the very same text."""
    return _OWN_SPELLING.fullmatch(text) is not None
