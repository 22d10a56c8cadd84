"""Shapes choose every recogniser that can match."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capabilities.findings.catalogue import RECOGNISERS
from gateway.capabilities.findings.shapes import SHAPE_WIDTH, ShapeIndex, class_pattern
from gateway.capabilities.findings.text_view import view_of

INDEX = ShapeIndex(RECOGNISERS)
COMPILED = [(row, re.compile(row.pattern)) for row in RECOGNISERS]


def test_a_pattern_is_rewritten_over_the_classes() -> None:
    assert re.fullmatch(class_pattern(rb"[A-Z]{2}\d{2,3}-x(?![0-9])"), b"aa000-a")
    assert not re.fullmatch(class_pattern(rb"[A-Z]{2}\d{2,3}-x"), b"a0000-a")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="01289aAbXZ-. ()+/:", min_size=4, max_size=40))
def test_no_recogniser_that_matches_is_left_out(text: str) -> None:
    view = view_of(text)
    chosen = {id(row) for row, _ in INDEX.of(view.cls[:SHAPE_WIDTH])}
    assert {id(row) for row, pattern in COMPILED if pattern.match(view.data)} <= chosen


@given(st.from_regex(rb"\d{3}-\d{2}-\d{4}|[A-Z]{5}\d{4}[A-Z]|\+\d{1,3} \d{2,4} \d{5,8}|\d{4} \d{4} \d{4} \d{4}", fullmatch=True))
def test_nor_on_texts_of_the_usual_forms(data: bytes) -> None:
    view = view_of(data.decode())
    chosen = {id(row) for row, _ in INDEX.of(view.cls[:SHAPE_WIDTH])}
    assert {id(row) for row, pattern in COMPILED if pattern.match(view.data)} <= chosen
