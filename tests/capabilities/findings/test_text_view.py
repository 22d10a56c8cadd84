"""The view of a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.findings.text_view import view_of


def test_characters_become_classes_and_placeholders_are_blanked() -> None:
    view = view_of("Ab 12\t<SECRET>é日\uff11\u2013")
    assert view.cls == b"aa 00 " + b"\0" * 8 + b"a?0-"
    assert view.low == b"ab 12\t" + b"\0" * 8 + b"\xe9?1-"


def test_what_only_begins_like_a_placeholder_is_text() -> None:
    assert b"\0" not in view_of("<SECRET <EMAIL_ADDRESS_ABCDEFGHIJKLMNOP> <b>").data


@given(st.text())
def test_all_forms_have_the_length_of_the_text(text: str) -> None:
    view = view_of(text)
    assert len(view.text) == len(view.data) == len(view.cls) == len(view.low) == len(text)
