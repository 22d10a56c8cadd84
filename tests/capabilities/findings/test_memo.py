"""The memo gives what the scanner gives, keeps few entries, and keeps no text."""

from __future__ import annotations

from gateway.capabilities.findings.memo import FindingsMemo
from gateway.capabilities.findings.scanner import Scanner


def texts(count: int) -> list[str]:
    return [f"please write to person{number}@example.com about it" for number in range(count)]


def test_a_text_that_comes_again_is_not_scanned_again() -> None:
    memo = FindingsMemo(Scanner(), 100)
    first = [memo.scan(text) for text in texts(10)]
    assert [memo.scan(text) for text in texts(10)] == first
    assert first == [Scanner().scan(text) for text in texts(10)]
    assert (memo.hits, memo.misses) == (10, 10)


def test_the_key_under_which_a_text_stands_is_part_of_what_is_remembered() -> None:
    memo = FindingsMemo(Scanner(), 100)
    text = "correcthorsebatterystaple9"
    assert memo.scan(text) == ()
    assert [finding.category for finding in memo.scan(text, key="password")] == ["SECRET"]
    assert memo.scan(text) == ()


def test_it_stays_within_its_entries_and_keeps_what_is_asked_for() -> None:
    memo = FindingsMemo(Scanner(), 20)
    kept = "this one is asked for again and again: jane@example.com"
    for text in texts(200):
        memo.scan(kept)
        memo.scan(text)
    assert memo.misses <= 201
    assert memo.entries <= 20


def test_a_lone_surrogate_is_remembered_like_any_text() -> None:
    memo = FindingsMemo(Scanner(), 20)
    text = "\ud800 a lone surrogate before jane@example.com"
    assert memo.scan(text) == memo.scan(text) != ()
