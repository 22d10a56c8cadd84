"""The shape engine by itself."""

from __future__ import annotations

from gateway.capabilities.findings.detectors.rows import row
from gateway.capabilities.findings.model import Candidate
from gateway.capabilities.findings.numbers import NumberFinder
from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.findings.text_view import view_of

FINDER = NumberFinder((row("US_SSN", rb"\d{9}", cued=True), row("US_TEST", rb"\d{4}-\d{4}", lambda value: value != b"0000-0000")))


def found(text: str, *, final: bool = True) -> list[Candidate]:
    out: list[Candidate] = []
    FINDER.find(view_of(text, final=final), out)
    return out


def test_a_match_must_pass_its_check() -> None:
    assert [(each.category, each.start, each.end) for each in found("a 1234-5678 b 0000-0000")] == [("US_TEST", 2, 11)]


def test_without_a_cue_a_match_is_none_and_pending_while_one_may_come() -> None:
    assert found("it is 078051123") == []
    assert [each.sure for each in found("it is 078051123", final=False)] == [False]
    assert found("it is 078051123 and nothing more", final=False) == []
    assert [each.sure for each in found("it is 078051123, my ssn, I think", final=False)] == [True]


def test_digits_that_only_stand_near_a_value_make_no_finding_of_it() -> None:
    scanner = Scanner(ScanOptions(countries=frozenset({"DE"})))
    assert [finding.category for finding in scanner.scan("x12password officeTK77")] == []
