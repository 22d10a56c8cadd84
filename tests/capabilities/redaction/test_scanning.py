from __future__ import annotations

from gateway.capabilities.redaction.scanning import CleanTexts, CleanWords, WholeSegments
from gateway.domain import Finding


def test_a_held_text_comes_as_segments_that_add_up_to_it() -> None:
    stream = WholeSegments(lambda text, *, key=None: (Finding(key or "X", text.index("b"), text.index("b") + 2),), "KEY")
    assert stream.push("a") == stream.push("bb") == stream.push("c") == ()
    assert [(segment.text, segment.category) for segment in stream.finish()] == [("a", None), ("bb", "KEY"), ("c", None)]


def test_clean_texts_are_known_by_kind_and_the_oldest_makes_room() -> None:
    clean = CleanTexts(2)
    clean.add(b"a", "json")
    assert clean.knows(b"a", "json")
    assert not clean.knows(b"a", "tools")
    clean.add(b"b", "json")
    clean.add(b"c", "json")
    assert [clean.knows(text, "json") for text in (b"a", b"b", b"c")] == [False, True, True]


def test_clean_words_are_short_and_bounded() -> None:
    words = CleanWords(2)
    for word in ("a", "b", "c", "x" * 65):
        words.add(word)
    assert [word in words for word in ("a", "b", "c", "x" * 65)] == [False, False, True, False]
