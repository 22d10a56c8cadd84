"""Numbers of Britain and the North: found where their check digits hold, and only there."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("category", "good", "bad"),
    [
        ("SE_PERSONNUMMER", "19910924-2397", "19910924-2398"),
        ("FI_PERSONAL_IDENTITY_CODE", "131052-308T", "131052-308U"),
        ("UK_NINO", "PR 12 36 12 C", "BG 12 36 12 A"),
    ],
)
def test_a_number_stands_without_a_cue_only_if_it_checks(category: str, good: str, bad: str) -> None:
    assert [(f.category, f.start, f.end) for f in SCANNER.scan(f"it is {good}, yes")] == [(category, 6, 6 + len(good))]
    assert category not in {f.category for f in SCANNER.scan(f"it is {bad}, yes")}


@pytest.mark.parametrize(
    ("category", "cue", "value"),
    [
        ("UK_NHS", "NHS number", "943 476 5919"),
    ],
)
def test_a_number_that_could_be_anything_needs_its_cue(category: str, cue: str, value: str) -> None:
    text = f"{cue}: {value}"
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]
    assert category not in {f.category for f in SCANNER.scan(f"it was {value}")}
