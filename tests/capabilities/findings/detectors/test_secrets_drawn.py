"""Keys whose first characters happen to have no digit, which is one in six of some vendors', against identifiers that only begin like a key."""

from __future__ import annotations

import random
import string

import pytest

from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner

scanner = Scanner(ScanOptions())


@pytest.mark.parametrize(
    "key",
    [
        "sk_live_adWwbDVrEOdUmtqeVT6FbNKH",
        "glpat-OmxgJTeKdNnFRIBXuDL",
        "AKIAUJZDEGXDNCFQEPFW",
        "sk_live_qRtYbNmWxZ",
    ],
)
def test_a_key_without_digits_is_found(key: str) -> None:
    text = f"use {key} ok"
    assert [(finding.category, text[finding.start : finding.end]) for finding in scanner.scan(text)] == [("SECRET", key)]


@pytest.mark.parametrize(("prefix", "size", "least"), [("sk_live_", 24, 0.97), ("glpat-", 20, 0.98), ("ghp_", 36, 0.99), ("xoxb-", 24, 0.98)])
def test_nearly_all_drawn_keys_are_found(prefix: str, size: int, least: float) -> None:
    draw = random.Random(5)
    keys = [prefix + "".join(draw.choices(string.ascii_letters + string.digits, k=size)) for _ in range(1000)]
    assert sum(bool(scanner.scan(f"use {key} ok")) for key in keys) >= least * 1000


@pytest.mark.parametrize(
    "text", ["import sk-learn-something-long", "call re_useEffectCallbackHookNow here", "sk_test_helloWorldWideWeb", "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"]
)
def test_an_identifier_that_begins_like_a_key_is_none(text: str) -> None:
    assert scanner.scan(text) == ()
