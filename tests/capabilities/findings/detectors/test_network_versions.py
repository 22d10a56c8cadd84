"""Four numbers behind a word for a version are none; behind a word that merely ends like one they are an address."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner

scanner = Scanner(ScanOptions())


@pytest.mark.parametrize("word", ["server", "driver", "receiver", "prev", "over"])
def test_a_word_that_ends_like_a_version_does_not_hide_an_address(word: str) -> None:
    text = f"the {word} 203.0.113.61 is down"
    assert [text[finding.start : finding.end] for finding in scanner.scan(text)] == ["203.0.113.61"]


@pytest.mark.parametrize("word", ["version", "ver", "rev", "release", "build"])
def test_a_version_is_no_address(word: str) -> None:
    assert scanner.scan(f"it is {word} 10.4.2.1 now") == ()
