"""Options that make no sense are refused, with what is wrong and the nearest known name."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.catalogue import CATEGORIES, COUNTRIES, CUED, RECOGNISERS
from gateway.capabilities.findings.options import ScanOptions, ScanOptionsError
from gateway.capabilities.findings.scanner import Scanner


@pytest.mark.parametrize(
    ("options", "option", "said"),
    [
        (ScanOptions(enable=frozenset({"US_PASPORT"})), "enable", "unknown category 'US_PASPORT'; did you mean 'US_PASSPORT'?"),
        (ScanOptions(countries=frozenset({"XX"})), "countries", "unknown country 'XX'"),
        (ScanOptions(patterns={"A": "("}), "patterns", "A: not a google-re2 pattern"),
        (ScanOptions(patterns={"A": "(?=x)"}), "patterns", "A: not a google-re2 pattern"),
        (ScanOptions(patterns={"A": "x*"}), "patterns", "matches the empty text"),
        (ScanOptions(patterns={"A": "(a{1,20}b){1,50}"}), "patterns", "can match 1050 characters"),
        (ScanOptions(patterns={"lower": "x"}), "patterns", "'lower' cannot name a category"),
        (ScanOptions(words={"SECRET": ("x",)}), "words", "'SECRET' cannot name a category"),
        (ScanOptions(words={"A": ()}), "words", "needs words"),
        (ScanOptions(words={"A": (" ",)}), "words", "needs words"),
    ],
)
def test_a_wrong_option_is_refused(options: ScanOptions, option: str, said: str) -> None:
    with pytest.raises(ScanOptionsError) as refused:
        Scanner(options)
    assert said in str(refused.value)
    assert refused.value.option == option


def test_every_recogniser_that_needs_a_cue_has_some() -> None:
    assert not {row.category for row in RECOGNISERS if row.cued and not row.cues} - set(CUED)


def test_categories_and_countries_are_named_as_people_know_them() -> None:
    assert {"EMAIL_ADDRESS", "US_SSN", "SECRET", "UK_NHS"} <= CATEGORIES
    assert {"DE", "GB", "US"} <= COUNTRIES
