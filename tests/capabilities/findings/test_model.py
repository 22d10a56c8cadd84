"""Values without a bounded length."""

from __future__ import annotations

import re

import pytest

from gateway.capabilities.findings.model import Tail, prolonged

TAIL = Tail(re.compile(rb"(?:[a-z]|\.(?=[a-z]))*+"), re.compile(rb"\."), re.compile(rb"!end"))


@pytest.mark.parametrize(
    ("data", "end", "goes_on"),
    [(b"abc", 3, True), (b"abc def", 3, False), (b"ab.c ", 4, False), (b"abc.", 3, True), (b"abc. ", 3, False), (b"abc!end", 7, False)],
)
def test_a_value_goes_on_as_its_tail_says(data: bytes, end: int, goes_on: bool) -> None:
    assert prolonged(TAIL, data, 0) == (end, goes_on)
