"""Numbers of people in the United Kingdom, Ireland and the Nordic countries."""

from __future__ import annotations

from gateway.capabilities.findings import checksums as c
from gateway.capabilities.findings.detectors.rows import row

_NO_NINO = frozenset({b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"})


def nino(value: bytes) -> bool:
    """HMRC: prefixes that were never given out."""
    return c.alnum(value)[:2] not in _NO_NINO


def nhs(value: bytes) -> bool:
    """NHS number: weights 10 to 2, modulo 11."""
    n = c.ints(value)
    return len(set(n)) > 1 and (11 - c.weighted(n[:9], range(10, 1, -1)) % 11) % 11 == n[9]


_HETU = b"0123456789ABCDEFHJKLMNPRSTUVWXY"


def hetu(value: bytes) -> bool:
    """Finland: birth date, and the remainder of nine digits by 31."""
    v = value.upper()
    return c.ddmmyy(v[:6]) and _HETU[int(v[:6] + v[7:10]) % 31] == v[10]


def personnummer(value: bytes) -> bool:
    """Sweden: a date (day + 60 for coordination numbers) and Luhn over the last ten digits."""
    n = c.digits(value)[-10:]
    day = int(n[4:6])
    return c.real_date(int(n[:2]), int(n[2:4]), day - 60 if day > 60 else day) and c.luhn(n)


def organisation(value: bytes) -> bool:
    """Sweden, firms: the third digit is at least 2, and Luhn."""
    n = c.digits(value)
    return n[2] >= 0x32 and c.luhn(n)


def fodselsnummer(value: bytes) -> bool:
    """Norway: a date (day + 40 for D-numbers) and two check digits modulo 11."""
    n = c.ints(value)
    day = n[0] * 10 + n[1]
    if not c.real_date(n[4] * 10 + n[5], n[2] * 10 + n[3], day - 40 if day > 40 else day):
        return False
    first = (11 - c.weighted(n[:9], (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11) % 11
    return first == n[9] and (11 - c.weighted(n[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11 == n[10]


def pps(value: bytes) -> bool:
    """Ireland: weights 8 to 2 and 9 for the second letter, modulo 23."""
    v = c.alnum(value)
    extra = (v[8] - 64) * 9 if len(v) == 9 and v[8] != 0x57 else 0
    return b"WABCDEFGHIJKLMNOPQRSTUV"[(c.weighted(c.ints(v[:7]), range(8, 1, -1)) + extra) % 23] == v[7]


_NINO = rb"[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z]"

RECOGNISERS = (
    row("UK_NINO", _NINO + rb"[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-Da-d]", nino, rank=16),
    row("UK_NHS", rb"\d{3}[ -]\d{3}[ -]\d{4}", nhs, cued=True, rank=30),
    row("UK_NHS", rb"\d{10}", nhs, cued=True, rank=30),
    row("UK_PASSPORT", rb"[A-Za-z]{2}\d{7}|\d{9}", cued=True, rank=76),
    row("UK_DRIVING_LICENCE", rb"[A-Za-z9]{5}\d[0156]\d[0-3]\d\d[A-Za-z9]{2}\d?[A-Za-z0-9]{2,3}", cued=True, rank=38),
    row("UK_VEHICLE_REGISTRATION", rb"[A-Za-z]{2}\d{2} ?[A-Za-z]{3}", cued=True, rank=80),
    row("IE_PPS", rb"\d{7}[A-Wa-w][A-IWa-iw]?", pps, cued=True, rank=38),
    row("FI_PERSONAL_IDENTITY_CODE", rb"\d{6}[-+ABCDEFUVWXYabcdefuvwxy]\d{3}[0-9A-FHJ-NPR-Ya-fhj-npr-y]", hetu, rank=16),
    row("SE_PERSONNUMMER", rb"(?:18|19|20)\d{6}[-+]?\d{4}", personnummer, rank=18),
    row("SE_PERSONNUMMER", rb"\d{6}[-+]\d{4}", personnummer, rank=19),
    row("SE_PERSONNUMMER", rb"\d{10}", personnummer, cued=True, rank=39),
    row("SE_ORGANISATIONSNUMMER", rb"\d{6}-\d{4}", organisation, cued=True, rank=39),
    row("NO_FODSELSNUMMER", rb"\d{6} ?\d{5}", fodselsnummer, rank=25),
    row("DK_CPR", rb"\d{6}-\d{4}", c.ddmmyy, cued=True, rank=40),
    row("DK_CPR", rb"\d{10}", c.ddmmyy, cued=True, rank=41),
    row("IS_KENNITALA", rb"\d{6}-?\d{4}", c.ddmmyy, cued=True, rank=42),
)
