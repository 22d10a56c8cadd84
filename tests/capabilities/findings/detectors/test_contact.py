"""Telephone numbers and dates of birth."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("+33 1 23 45 67 89", "PHONE_NUMBER", "+33 1 23 45 67 89"),
        ("0049 30 123456", "PHONE_NUMBER", "0049 30 123456"),
        ("06.12.34.56.78", "PHONE_NUMBER", "06.12.34.56.78"),
        ("1-800-555-0199", "PHONE_NUMBER", "1-800-555-0199"),
        ("call 416 60 039", "PHONE_NUMBER", "416 60 039"),
        ("(415) 555-0132x77", "PHONE_NUMBER", "(415) 555-0132x77"),
        ("8 (495) 123-45-67", "PHONE_NUMBER", "8 (495) 123-45-67"),
        ("born: 1981-03-12", "DATE_OF_BIRTH", "1981-03-12"),
    ],
)
def test_phones_are_found_in_many_forms(text: str, category: str, value: str) -> None:
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]


@pytest.mark.parametrize("text", ["2024-03-12", "1990-1995", "12.03.2024", "02110-1301", "1 234 567", "416 60 039", "255 255 255", "1981-03-12 10:00"])
def test_dates_ranges_and_amounts_are_none(text: str) -> None:
    assert SCANNER.scan(text) == ()
