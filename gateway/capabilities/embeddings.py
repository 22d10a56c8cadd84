"""What an answer of embeddings holds: a vector for each input, in order, in the encoding that the caller asked for.

OpenAI's base64 is of 32-bit floats, little-endian. Providers that know one encoding only are translated: a client that asked for base64 decodes it blindly.
"""

from __future__ import annotations

import base64
import binascii
import math
import sys
from array import array
from typing import Any, Final, NamedTuple

from gateway.domain import Json
from gateway.errors import UpstreamMalformed

_FLOAT: Final = 4
"""Bytes of a number in base64."""


class Vectors(NamedTuple):
    """The vectors of an answer."""

    data: list[Json]
    """As OpenAI has it: ``{"object", "index", "embedding"}``, ordered by index."""
    dimensions: int
    """Of each vector."""


def inputs_of(body: Json) -> int:
    """How many inputs a request for embeddings has."""
    given = body["input"]
    return len(given) if isinstance(given, list) and isinstance(given[0], (str, list)) else 1


def longest_of(body: Json) -> Json:
    """The request with its longest input alone, by characters or tokens: each input has the model's context window for itself."""
    given = body["input"]
    return {"input": max(given, key=len)} if isinstance(given, list) and isinstance(given[0], (str, list)) else {"input": given}


def vectors_of(answer: Json, *, inputs: int, encoded: bool, target: str) -> Vectors:
    """The vectors in ``answer``, whose ``data`` are objects with an ``embedding``; anything else that stands there is left out.

    Args:
        answer: What the target answered.
        inputs: How many vectors there have to be.
        encoded: Whether the caller asked for base64.
        target: Its name, for errors.

    Raises:
        UpstreamMalformed: There are more or fewer, they are not numbered from 0, or they are not all of the same length.
    """
    entries: list[Json] = answer["data"]
    numbered = sorted((entry.get("index", place), place) for place, entry in enumerate(entries))
    if [index for index, _ in numbered] != list(range(inputs)):
        raise _malformed(target, "its vectors are not one for each input")
    data = []
    sizes = set()
    for index, place in numbered:
        embedding, size = _embedding(entries[place]["embedding"], encoded=encoded, target=target)
        data.append({"object": "embedding", "index": index, "embedding": embedding})
        sizes.add(size)
    if len(sizes) != 1:
        raise _malformed(target, "its vectors differ in length")
    return Vectors(data, sizes.pop())


def _embedding(given: Any, *, encoded: bool, target: str) -> tuple[str | list[float], int]:
    """A vector as the caller asked for it, and its length."""
    if isinstance(given, list):
        return (_encoded(given) if encoded else given), len(given)
    try:
        raw = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or len(raw) % _FLOAT:
        raise _malformed(target, "a vector of its answer is no base64 of floats")
    return (given if encoded else _decoded(raw, target)), len(raw) // _FLOAT


def _encoded(numbers: list[float]) -> str:
    return base64.b64encode(_little_endian(array("f", numbers)).tobytes()).decode()


def _decoded(raw: bytes, target: str) -> list[float]:
    numbers = _little_endian(array("f", raw)).tolist()
    if not all(map(math.isfinite, numbers)):
        raise _malformed(target, "a vector of its answer has numbers that are none")
    return numbers


def _little_endian(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _malformed(target: str, what: str) -> UpstreamMalformed:
    return UpstreamMalformed(f"The target {target} answered what is not embeddings: {what}.")
