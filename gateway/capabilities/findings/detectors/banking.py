"""IBANs, with or without spaces. Their groups may hold no digit, so they are found by their head: two letters, two digits."""

from __future__ import annotations

import re

from gateway.capabilities.findings import checksums
from gateway.capabilities.findings.model import Candidate, View

# Length and shape of the account part per country: n digits, a capitals, c either (SWIFT IBAN registry).
_REGISTRY = {
    "AD": "8n12c", "AE": "19n", "AL": "8n16c", "AT": "16n", "AZ": "4a20c", "BA": "16n", "BE": "12n", "BG": "4a6n8c", "BH": "4a14c", "BI": "23n",
    "BR": "23n1a1c",
    "BY": "4c4n16c", "CH": "5n12c", "CR": "18n", "CY": "8n16c", "CZ": "20n", "DE": "18n", "DJ": "23n", "DK": "14n", "DO": "4c20n", "EE": "16n", "EG": "25n",
    "ES": "20n", "FI": "14n", "FK": "2a12n", "FO": "14n", "FR": "10n11c2n", "GB": "4a14n", "GE": "2a16n", "GI": "4a15c", "GL": "14n", "GR": "7n16c",
    "GT": "4c20c", "HR": "17n", "HU": "24n", "IE": "4a14n", "IL": "19n", "IQ": "4a15n", "IS": "22n", "IT": "1a10n12c", "JO": "4a4n18c", "KW": "4a22c",
    "KZ": "3n13c", "LB": "4n20c", "LC": "4a24c", "LI": "5n12c", "LT": "16n", "LU": "3n13c", "LV": "4a13c", "LY": "21n", "MC": "10n11c2n", "MD": "2c18c",
    "ME": "18n", "MK": "3n10c2n", "MN": "16n", "MR": "23n", "MT": "4a5n18c", "MU": "4a19n3a", "NI": "4a20n", "NL": "4a10n", "NO": "11n", "OM": "3n16c",
    "PK": "4a16c", "PL": "24n", "PS": "4a21c", "PT": "21n", "QA": "4a21c", "RO": "4a16c", "RS": "18n", "RU": "14n15c", "SA": "2n18c", "SC": "4a20n3a",
    "SD": "14n", "SE": "20n", "SI": "15n", "SK": "20n", "SM": "1a10n12c", "SO": "19n", "ST": "21n", "SV": "4a20n", "TL": "19n", "TN": "20n", "TR": "6n16c",
    "UA": "6n19c", "VA": "18n", "VG": "4a16n", "XK": "16n", "YE": "4a4n18c",
}  # fmt: skip
_SETS = {"n": b"[0-9]", "a": b"[A-Za-z]", "c": b"[0-9A-Za-z]"}


def _pattern(shape: str) -> tuple[re.Pattern[bytes], int]:
    parts = re.findall(r"(\d+)([nac])", shape)
    one = b"".join(_SETS[kind] * int(count) for count, kind in parts)
    return re.compile(one), sum(int(count) for count, _ in parts)


_SHAPES = {code.encode(): _pattern(shape) for code, shape in _REGISTRY.items()}
_SEPARATORS = b" -"


def _end_of(data: bytes, start: int, count: int) -> int:
    """Where ``count`` letters and digits end, spaces and hyphens between them not counted; -1 if there are too few."""
    at = start
    while count:
        byte = data[at : at + 1]
        if not byte or (byte in b" -" and data[at + 1 : at + 2] in {b" ", b"-", b""}):
            return -1
        if byte.isalnum():
            count -= 1
        elif byte not in (b" ", b"-"):
            return -1
        at += 1
    return at


def _iban_at(data: bytes, start: int) -> int:
    """The end of the IBAN that begins at ``start``, or -1."""
    known = _SHAPES.get(data[start : start + 2].upper())
    if known is None:
        return -1
    shape, length = known
    end = _end_of(data, start, length + 4)
    if end < 0 or data[end : end + 1].isalnum() or _goes_on(data, end):
        return -1
    value = data[start:end].translate(None, _SEPARATORS)
    if not (value.isupper() or value.islower()):
        return -1
    value = value.upper()
    return end if shape.fullmatch(value, 4) and checksums.mod97_iban(value) else -1


def _goes_on(data: bytes, end: int) -> bool:
    """Whether digits follow after a separator, so that the number is longer than its country's."""
    return data[end : end + 1] in {b" ", b"-"} and data[end + 1 : end + 2].isdigit()


def find_ibans(view: View, out: list[Candidate]) -> None:
    """Adds every IBAN whose shape and check digits hold."""
    at = view.cls.find(b"aa00")
    while at >= 0:
        if at == 0 or view.cls[at - 1] not in b"0a_":
            end = _iban_at(view.data, at)
            if end > 0:
                out.append(Candidate(at, 5, end, "IBAN_CODE"))
        at = view.cls.find(b"aa00", at + 4)
