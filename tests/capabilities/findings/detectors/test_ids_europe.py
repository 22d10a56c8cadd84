"""Numbers of continental Europe: found where their check digits hold, and only there."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("category", "good", "bad"),
    [
        ("ES_NIE", "Z8078221M", "Z8078221A"),
        ("IT_FISCAL_CODE", "RSSMRA85T10A562S", "RSSMRA85Z10A562S"),
        ("FR_NIR", "1 85 05 78 006 084 91", "1 85 05 78 006 084 37"),
        ("BE_NN", "93.05.18-223.61", "93.05.18-223.62"),
        ("CH_AHV", "756.9217.0769.85", "756.9217.0769.84"),
    ],
)
def test_a_number_stands_without_a_cue_only_if_it_checks(category: str, good: str, bad: str) -> None:
    assert [(f.category, f.start, f.end) for f in SCANNER.scan(f"it is {good}, yes")] == [(category, 6, 6 + len(good))]
    assert category not in {f.category for f in SCANNER.scan(f"it is {bad}, yes")}


@pytest.mark.parametrize(
    ("category", "cue", "value"),
    [
        ("NL_BSN", "BSN", "111222333"),
        ("PL_PESEL", "PESEL", "44051401458"),
        ("TR_NATIONAL_ID", "kimlik", "10000000146"),
    ],
)
def test_a_number_that_could_be_anything_needs_its_cue(category: str, cue: str, value: str) -> None:
    text = f"{cue}: {value}"
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]
    assert category not in {f.category for f in SCANNER.scan(f"it was {value}")}
