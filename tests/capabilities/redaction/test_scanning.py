from __future__ import annotations

import pytest

from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.redaction.scanning import CleanTexts, CleanWords, SlicedScanner, WholeSegments
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


@pytest.mark.parametrize(
    "text", ["word " * 20_000, "DE89 3704 0044 0532 0130 00, " * 3_000, "a@b.co " * 12_000, "password=" * 8_000, "x" * 70_000 + " jane.doe@example.com"]
)
def test_a_long_text_gives_the_same_findings_slice_by_slice(text: str) -> None:
    scanner = Scanner(ScanOptions(words={"PROJECT": ("bluebird",)}))
    assert SlicedScanner(scanner).scan(text) == scanner.scan(text)
    assert SlicedScanner(scanner).scan(text, "iban") == scanner.scan(text, "iban")


def test_a_long_secret_over_several_slices_is_one_finding() -> None:
    scanner = Scanner(ScanOptions())
    text = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 3_000 + "-----END PRIVATE KEY-----\n and more"
    assert SlicedScanner(scanner).scan(text) == scanner.scan(text)
    assert len(scanner.scan(text)) == 1
