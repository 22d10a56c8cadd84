"""IBANs."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("to GB82 WEST 1234 5698 7654 32.", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("GB82WEST12345698765432", "IBAN_CODE", "GB82WEST12345698765432"),
        ("de89 3704 0044 0532 0130 00", "IBAN_CODE", "de89 3704 0044 0532 0130 00"),
    ],
)
def test_an_iban_is_found_with_or_without_spaces(text: str, category: str, value: str) -> None:
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]


@pytest.mark.parametrize("text", ["GB82 WEST 1234 5698 7654 33", "XX82 WEST 1234 5698 7654 32", "GB82WEST123456987654321", "aa00 aa00"])
def test_a_wrong_length_country_or_check_is_none(text: str) -> None:
    assert SCANNER.scan(text) == ()
