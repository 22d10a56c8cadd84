"""Numbers of the Americas: found where their check digits hold, and only there."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("category", "good", "bad"),
    [
        ("BR_CPF", "390.533.447-05", "390.533.447-06"),
        ("BR_CNPJ", "11.222.333/0001-81", "11.222.333/0001-82"),
        ("MX_CURP", "BOXW310820HNERXN09", "BOXW310820HNERXN08"),
        ("US_MBI", "1EG4-TE5-MK73", "1EG4-LE5-MK73"),
        ("CL_RUT", "12.345.678-5", "12.345.678-6"),
    ],
)
def test_a_number_stands_without_a_cue_only_if_it_checks(category: str, good: str, bad: str) -> None:
    assert [(f.category, f.start, f.end) for f in SCANNER.scan(f"it is {good}, yes")] == [(category, 6, 6 + len(good))]
    assert category not in {f.category for f in SCANNER.scan(f"it is {bad}, yes")}


@pytest.mark.parametrize(
    ("category", "cue", "value"),
    [
        ("US_NPI", "NPI", "1234567893"),
        ("ABA_ROUTING_NUMBER", "routing number", "121042882"),
        ("CA_SIN", "social insurance number", "550 090 112"),
    ],
)
def test_a_number_that_could_be_anything_needs_its_cue(category: str, cue: str, value: str) -> None:
    text = f"{cue}: {value}"
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]
    assert category not in {f.category for f in SCANNER.scan(f"it was {value}")}
