"""Equality of JSON values as JSON Schema has it: numbers by their value, ``true`` is not ``1``, the order of keys is nothing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import orjson

from gateway.capabilities.schemas.model import Run

_BYTES_PER_STEP = 64
_INTEGERS = (-(2**63), 2**64)
"""What orjson writes as an integer."""


def canonical(value: Any) -> bytes:
    """The same bytes for equal values, different ones for others. Bytes are hashed with a secret, so that values cannot be made to collide."""
    if type(value) is str:
        return value.encode()  # UTF-8 has no byte 255, so that no text can look like another value
    return b"\xff" + orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    """``value`` with each number written in one way only."""
    if type(value) is dict:
        return {key: _plain(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_plain(inner) for inner in value]
    if type(value) is float and value.is_integer() and _INTEGERS[0] <= value < _INTEGERS[1]:
        return int(value)
    return value


class Values:
    """The values of an ``enum`` or ``const``, to look up."""

    __slots__ = ("_containers", "_members")

    def __init__(self, values: list[Any]) -> None:
        self._members = frozenset(map(canonical, values))
        self._containers = {type(value) for value in values} & {dict, list}

    def has(self, value: Any, run: Run) -> bool:
        """Raises ``OutOfSteps``."""
        if type(value) in {dict, list} and type(value) not in self._containers:
            return False
        key = canonical(value)
        run.spend(len(key) // _BYTES_PER_STEP)
        return key in self._members


def all_differ(values: list[Any], run: Run) -> bool:
    """Whether no two of the values are equal; linear in their size. Raises ``OutOfSteps``."""
    run.spend(len(values) // 8)
    seen = set()
    for value in values:
        key = canonical(value)
        run.spend(len(key) // _BYTES_PER_STEP)
        if key in seen:
            return False
        seen.add(key)
    return True


def is_multiple(value: float, of: float) -> bool:
    """Whether a number is a whole multiple of another, both as they are written in decimal: 19.99 is one of 0.01, which binary floats would deny."""
    if type(value) is int and type(of) is int:
        return value % of == 0
    return (Fraction(repr(value)) / Fraction(repr(of))).denominator == 1
