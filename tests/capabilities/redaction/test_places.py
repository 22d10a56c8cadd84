from __future__ import annotations

import pytest

from gateway.capabilities.redaction.leaves import Link, Media
from gateway.capabilities.redaction.places import answer_place, request_place, unscanned
from gateway.domain import Unscanned


def link(*steps: str | int) -> Link:
    made: Link = None
    for step in steps:
        made = (made, step)
    return made


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        (("messages", 2, "content", 0, "text"), "messages[2].content"),
        (("messages", 2, "chosen by a caller"), "messages[2]"),
        (("messages",), "messages"),
        (("tools", 0, "function", "description"), "tools[0]"),
        (("metadata", "chosen by a caller"), "metadata"),
        (("chosen by a caller", "x"), "unknown"),
        ((), "unknown"),
    ],
)
def test_a_place_in_a_request_has_no_words_of_the_caller(steps: tuple[str | int, ...], place: str) -> None:
    assert request_place(steps) == place


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        (("choices", 1, "message", "content"), "choices[1].message.content"),
        (("choices", 1, "message", "chosen"), "choices[1].message"),
        (("id",), "id"),
        (("chosen",), "unknown"),
        ((), "unknown"),
    ],
)
def test_a_place_in_an_answer_has_no_words_of_the_model(steps: tuple[str | int, ...], place: str) -> None:
    assert answer_place(link(*steps)) == place


def test_each_place_and_kind_is_named_once() -> None:
    media = [Media(link("messages", 0, "content", part), "image", payload=False) for part in (0, 1)]
    assert unscanned(media) == (Unscanned("messages[0].content", "image"),)
