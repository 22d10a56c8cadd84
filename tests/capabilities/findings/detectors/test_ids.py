"""Numbers of people and firms: found where their check digits hold, and only there."""

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
        ("BR_CPF", "390.533.447-05", "390.533.447-06"),
        ("BR_CNPJ", "11.222.333/0001-81", "11.222.333/0001-82"),
        ("CN_ID", "11010519491231002X", "110105194912310021"),
        ("MX_CURP", "BOXW310820HNERXN09", "BOXW310820HNERXN08"),
        ("SG_NRIC_FIN", "S2740116C", "S2740116D"),
        ("IN_AADHAAR", "3998 7654 3211", "3998 7654 3212"),
        ("IN_GSTIN", "27ABCDE1234F1Z5", "00ABCDE1234F1Z5"),
        ("KR_RRN", "960121-1021413", "961321-1021413"),
        ("SE_PERSONNUMMER", "19910924-2397", "19910924-2398"),
        ("US_MBI", "1EG4-TE5-MK73", "1EG4-LE5-MK73"),
        ("CL_RUT", "12.345.678-5", "12.345.678-6"),
        ("CH_AHV", "756.9217.0769.85", "756.9217.0769.84"),
    ],
)
def test_a_number_stands_without_a_cue_only_if_it_checks(category: str, good: str, bad: str) -> None:
    assert [(f.category, f.start, f.end) for f in SCANNER.scan(f"it is {good}, yes")] == [(category, 6, 6 + len(good))]
    assert category not in {f.category for f in SCANNER.scan(f"it is {bad}, yes")}


@pytest.mark.parametrize(
    ("category", "cue", "value"),
    [
        ("UK_NHS", "NHS number", "943 476 5919"),
        ("US_NPI", "NPI", "1234567893"),
        ("ABA_ROUTING_NUMBER", "routing number", "121042882"),
        ("CA_SIN", "social insurance number", "550 090 112"),
        ("AU_TFN", "tax file number", "876 543 210"),
        ("AU_ABN", "ABN", "51 824 753 556"),
        ("NL_BSN", "BSN", "111222333"),
        ("PL_PESEL", "PESEL", "44051401458"),
        ("DE_TAX_ID", "Steuer-ID", "12345678903"),
        ("DE_HEALTH_INSURANCE", "KVNR", "A123456780"),
        ("ZA_ID_NUMBER", "South African ID number", "0002294321191"),
        ("TR_NATIONAL_ID", "kimlik", "10000000146"),
        ("TH_TNIN", "Thai ID", "3456789012347"),
    ],
)
def test_a_number_that_could_be_anything_needs_its_cue(category: str, cue: str, value: str) -> None:
    text = f"{cue}: {value}"
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [(category, value)]
    assert category not in {f.category for f in SCANNER.scan(f"it was {value}")}
