"""Numbers of Germany: found where their check digits hold, and only there."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("category", "cue", "value"),
    [
        ("DE_TAX_ID", "Steuer-ID", "12345678903"),
        ("DE_HEALTH_INSURANCE", "KVNR", "A123456780"),
    ],
)
def test_a_number_that_could_be_anything_needs_its_cue(category: str, cue: str, value: str) -> None:
    text = f"{cue}: {value}"
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]
    assert category not in {f.category for f in SCANNER.scan(f"it was {value}")}
