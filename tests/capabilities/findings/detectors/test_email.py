"""E-mail addresses."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("<jane.doe+x@mail.example.com>", "EMAIL_ADDRESS", "jane.doe+x@mail.example.com"),
        ("to=jane@example.com,", "EMAIL_ADDRESS", "jane@example.com"),
        ('"o\'hara"@x jane@example.co.uk.', "EMAIL_ADDRESS", "jane@example.co.uk"),
        ("jürgen@bücher.example", "EMAIL_ADDRESS", "jürgen@bücher.example"),
        ("user@xn--80ak6aa92e.com", "EMAIL_ADDRESS", "user@xn--80ak6aa92e.com"),
    ],
)
def test_an_address_is_found_exactly(text: str, category: str, value: str) -> None:
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:example/repo.git",
        "@example.com",
        "jane@",
        "jane@localhost",
        "a@b@c",
        "types/node@20.1.0",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@example.com",
    ],
)
def test_what_only_has_an_at_sign_is_none(text: str) -> None:
    assert SCANNER.scan(text) == ()
