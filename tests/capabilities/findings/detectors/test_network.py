"""IP and MAC addresses."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("from 192.0.2.7/24", "IP_ADDRESS", "192.0.2.7/24"),
        ("[2001:db8::1]:80", "IP_ADDRESS", "2001:db8::1"),
        ("::ffff:192.0.2.1", "IP_ADDRESS", "::ffff:192.0.2.1"),
        ("src=::", "IP_ADDRESS", "::"),
        ("00:1A:2B:3C:4D:5E", "MAC_ADDRESS", "00:1A:2B:3C:4D:5E"),
        ("aabb.ccdd.eeff", "MAC_ADDRESS", "aabb.ccdd.eeff"),
    ],
)
def test_an_address_is_found_with_its_prefix_length(text: str, category: str, value: str) -> None:
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]


@pytest.mark.parametrize(
    "text", ["version 1.2.3.4", "1.2.3", "300.1.1.1", "10:20:30", "std::cout x[::2] a::b", "00:00:00:00:00:00", "10:2F:33-AC-29-C3", "2001::25de::cade"]
)
def test_versions_times_scopes_and_slices_are_none(text: str) -> None:
    assert SCANNER.scan(text) == ()
