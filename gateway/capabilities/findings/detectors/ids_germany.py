"""Numbers of people, doctors and firms in Germany."""

from __future__ import annotations

from collections import Counter

from gateway.capabilities.findings import checksums as c
from gateway.capabilities.findings.detectors.rows import row


def tax_id(value: bytes) -> bool:
    """Steuer-ID: ISO 7064 MOD 11,10; first digit not 0, no digit more than three times among the first ten."""
    n = c.digits(value)
    return n[0] != 0x30 and max(Counter(n[:10]).values()) <= 3 and c.mod11_10(n)


def mrz(value: bytes) -> bool:
    """ICAO 9303: weights 7, 3, 1 with letters as 10 to 35; the last digit checks. Eight-digit serials without it pass by their shape."""
    v = value.upper()
    if len(v) < 9 or not v[-1:].isdigit() or not v[1:8].strip(b"0123456789"):
        return c.varied(v)
    numbers = [int(chr(b), 36) for b in v]
    return c.weighted(numbers[:8], (7, 3, 1) * 3) % 10 == numbers[8] or len(v) == 9


def health(value: bytes) -> bool:
    """KVNR: the letter as two digits, weights 1 and 2, digit sums, modulo 10."""
    v = value.upper()
    numbers = c.ints(b"%02d" % (v[0] - 64) + v[1:9])
    return sum(sum(divmod(n * (1 + at % 2), 10)) for at, n in enumerate(numbers)) % 10 == v[9] - 48


def social_security(value: bytes) -> bool:
    """RVNR: area, birth date, letter as two digits; weights 2 1 2 5 7 1 2 1 2 1 2 1 over digit sums, modulo 10."""
    v = c.alnum(value)
    numbers = c.ints(v[:8] + b"%02d" % (v[8] - 64) + v[9:11])
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    total = sum(sum(divmod(n * w, 10)) for n, w in zip(numbers, weights, strict=True))
    return 1 <= int(v[4:6]) <= 12 and total % 10 == v[11] - 48


def lanr(value: bytes) -> bool:
    """Doctors: weights 4 and 9 over six digits; the seventh is ten minus the remainder by ten."""
    n = c.ints(value)
    return (10 - c.weighted(n[:6], (4, 9) * 3) % 10) % 10 == n[6]


def vat(value: bytes) -> bool:
    """USt-IdNr.: ISO 7064 MOD 11,10."""
    return c.mod11_10(value)


RECOGNISERS = (
    row("DE_TAX_ID", rb"[1-9]\d{10}|\d{2} \d{3} \d{3} \d{3}", tax_id, cued=True, rank=32),
    row("DE_ID_CARD", rb"[CFGHJKLMNPRTVWXYZcfghjklmnprtvwxyz][0-9A-Za-z]{8}\d?|[Tt]\d{8}\d?", mrz, cued=True, rank=46),
    row("DE_PASSPORT", rb"[CFGHJKcfghjk][0-9A-Za-z]{8}\d?", mrz, cued=True, rank=47),
    row("DE_HEALTH_INSURANCE", rb"[A-Za-z]\d{9}", health, cued=True, rank=33),
    row("DE_SOCIAL_SECURITY", rb"\d{2} ?\d{6} ?[A-Za-z] ?\d{3}", social_security, cued=True, rank=33),
    row("DE_LANR", rb"\d{9}", lanr, cued=True, rank=46),
    row("DE_BSNR", rb"\d{9}", None, cued=True, rank=48),
    row("DE_VAT_ID", rb"DE ?\d{9}", vat, cued=True, rank=33),
)
