"""Cards, bank routing and account numbers. IBANs, whose groups hold no digit now and then, are found by ``banking``."""

from __future__ import annotations

from gateway.capabilities.findings import checksums as c
from gateway.capabilities.findings.detectors.rows import row

# Issuer ranges: first digits (low, high) and lengths, after ISO/IEC 7812 and the networks' published BIN tables.
_ISSUERS = (
    (4, 4, (13, 16, 19)), (51, 55, (16,)), (2221, 2720, (16,)), (34, 34, (15,)), (37, 37, (15,)), (300, 305, (14, 16, 19)), (309, 309, (14, 16, 19)),
    (36, 36, (14, 16, 19)), (38, 39, (14, 16, 19)), (6011, 6011, (16, 19)), (644, 649, (16, 19)), (65, 65, (16, 19)), (622126, 622925, (16, 19)),
    (62, 62, (16, 17, 18, 19)), (81, 81, (16, 17, 18, 19)), (3528, 3589, (16, 17, 18, 19)), (1800, 1800, (15,)), (2131, 2131, (15,)), (1, 1, (15,)),
    (50, 50, (12, 13, 14, 15, 16, 17, 18, 19)), (56, 58, (12, 13, 14, 15, 16, 17, 18, 19)), (60, 60, (16, 19)), (63, 64, (16, 19)),
    (67, 67, (12, 13, 14, 15, 16, 17, 18, 19)), (2200, 2204, (16, 17, 18, 19)), (9792, 9792, (16,)), (5018, 5018, (12, 13, 14, 15, 16)),
)  # fmt: skip


def card(value: bytes) -> bool:
    """Issuer range, length and Luhn; not all the same digit."""
    n = c.digits(value)
    if not c.varied(n) or not c.luhn(n):
        return False
    return any(low <= int(n[: len(str(low))]) <= high and len(n) in lengths for low, high, lengths in _ISSUERS)


def any_card(value: bytes) -> bool:
    """Luhn alone, for ranges that no table lists, beside a word for a card."""
    return c.varied(value, 3) and c.luhn(value)


def aba(value: bytes) -> bool:
    """ABA routing number: Federal Reserve district and 3-7-1 check digit."""
    n = c.ints(value)
    district = n[0] * 10 + n[1]
    return (district <= 12 or 21 <= district <= 32 or 61 <= district <= 72 or district == 80) and any(n) and c.weighted(n, (3, 7, 1) * 3) % 10 == 0


RECOGNISERS = (
    row("CREDIT_CARD", rb"\d{4}([ \-])\d{4}[ \-]\d{4}[ \-]\d{1,4}", card, rank=10),
    row("CREDIT_CARD", rb"\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{3}", card, rank=10),
    row("CREDIT_CARD", rb"\d{4}[ \-]\d{6}[ \-]\d{4,5}", card, rank=10),
    row("CREDIT_CARD", rb"\d{14,19}", card, rank=10),
    row("CREDIT_CARD", rb"4\d{12}", card, cued=True, rank=12),
    row("CREDIT_CARD", rb"(?:5[0678]|6[37])\d{10,11}", card, cued=True, rank=12),
    row("CREDIT_CARD", rb"\d{12,19}", any_card, cued=True, rank=13),
    row("CREDIT_CARD", rb"\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{4}", any_card, cued=True, rank=13),
    row("ABA_ROUTING_NUMBER", rb"\d{9}", aba, cued=True, rank=40),
    row("ABA_ROUTING_NUMBER", rb"\d{4}-\d{4}-\d", aba, cued=True, rank=40),
    row("US_BANK_NUMBER", rb"\d{8,17}", None, cued=True, rank=90),
    row("US_BANK_NUMBER", rb"\d{3,6}[ \-]\d{3,6}[ \-]\d{2,6}", None, cued=True, rank=92, cues=("account number", "account no", "acct")),
)
