"""Cards and bank numbers."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("4111 1111 1111 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("3782-822463-10005", "CREDIT_CARD", "3782-822463-10005"),
        ("5555555555554444", "CREDIT_CARD", "5555555555554444"),
        ("my card 3530111333300000", "CREDIT_CARD", "3530111333300000"),
        ("routing number 121042882", "ABA_ROUTING_NUMBER", "121042882"),
    ],
)
def test_a_card_is_found_by_range_and_check_digit(text: str, category: str, value: str) -> None:
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]


@pytest.mark.parametrize("text", ["4111 1111 1111 1112", "0000 0000 0000 0000", "1748503543012", "121042882"])
def test_a_number_without_them_is_none(text: str) -> None:
    assert SCANNER.scan(text) == ()
