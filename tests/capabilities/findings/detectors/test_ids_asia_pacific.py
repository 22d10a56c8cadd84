"""Numbers of Asia, Oceania and Africa: found where their check digits hold, and only there."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("category", "good", "bad"),
    [
        ("CN_ID", "11010519491231002X", "110105194912310021"),
        ("SG_NRIC_FIN", "S2740116C", "S2740116D"),
        ("IN_AADHAAR", "3998 7654 3211", "3998 7654 3212"),
        ("IN_GSTIN", "27ABCDE1234F1Z5", "00ABCDE1234F1Z5"),
        ("KR_RRN", "960121-1021413", "961321-1021413"),
    ],
)
def test_a_number_stands_without_a_cue_only_if_it_checks(category: str, good: str, bad: str) -> None:
    assert [(f.category, f.start, f.end) for f in SCANNER.scan(f"it is {good}, yes")] == [(category, 6, 6 + len(good))]
    assert category not in {f.category for f in SCANNER.scan(f"it is {bad}, yes")}


@pytest.mark.parametrize(
    ("category", "cue", "value"),
    [
        ("AU_TFN", "tax file number", "876 543 210"),
        ("AU_ABN", "ABN", "51 824 753 556"),
        ("ZA_ID_NUMBER", "South African ID number", "0002294321191"),
        ("TH_TNIN", "Thai ID", "3456789012347"),
    ],
)
def test_a_number_that_could_be_anything_needs_its_cue(category: str, cue: str, value: str) -> None:
    text = f"{cue}: {value}"
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]
    assert category not in {f.category for f in SCANNER.scan(f"it was {value}")}
