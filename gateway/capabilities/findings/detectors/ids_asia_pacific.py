"""Numbers of people and firms in Asia, Oceania and Africa."""

from __future__ import annotations

from gateway.capabilities.findings import checksums as c
from gateway.capabilities.findings.detectors.rows import row


def aadhaar(value: bytes) -> bool:
    """India: Verhoeff; not the same backwards."""
    n = c.digits(value)
    return n[0] not in b"01" and n != n[::-1] and c.verhoeff(n)


def pan(value: bytes) -> bool:
    """India, tax: the fourth letter says what kind of holder it is."""
    return value.upper()[3] in b"ABCFGHJLPTKE"


def gstin(value: bytes) -> bool:
    """India, goods and services tax: a state code, then a PAN."""
    return 1 <= int(value[:2]) <= 38 or value[:2] in {b"97", b"99"}


def nric(value: bytes) -> bool:
    """Singapore: weights 2 7 6 5 4 3 2, an offset per series, a letter modulo 11."""
    v = value.upper()
    total = c.weighted(c.ints(v[1:8]), (2, 7, 6, 5, 4, 3, 2)) + {0x53: 0, 0x46: 0, 0x54: 4, 0x47: 4, 0x4D: 3}[v[0]]
    letters = {0x53: b"JZIHGFEDCBA", 0x54: b"JZIHGFEDCBA", 0x46: b"XWUTRQPNMLK", 0x47: b"XWUTRQPNMLK", 0x4D: b"XWUTRQPNJLK"}[v[0]]
    at = total % 11
    return letters[10 - at if v[0] == 0x4D else at] == v[8]


def rrn(value: bytes) -> bool:
    """South Korea: a birth date and the century digit; the check digit ceased to be kept in 2020."""
    n = c.digits(value)
    return c.yymmdd(n)


def rrn_checked(value: bytes) -> bool:
    """South Korea: also the check digit, where nothing separates the halves."""
    n = c.ints(value)
    total = c.weighted(n[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    return c.yymmdd(value) and (11 - total % 11) % 10 == n[12] and not c.epoch_ms(value)


def korean_business(value: bytes) -> bool:
    """South Korea, firms: weights 1 3 7 1 3 7 1 3 5."""
    n = c.ints(value)
    total = c.weighted(n[:9], (1, 3, 7, 1, 3, 7, 1, 3, 5)) + n[8] * 5 // 10
    return (10 - total % 10) % 10 == n[9]


def cn_id(value: bytes) -> bool:
    """China, GB 11643: ISO 7064 MOD 11-2 and a birth date."""
    v = value.upper()
    numbers = [10 if b == 0x58 else b - 48 for b in v]
    total = c.weighted(numbers, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1))
    return total % 11 == 1 and c.real_date(int(v[6:10]), int(v[10:12]), int(v[12:14]))


def hkid(value: bytes) -> bool:
    """Hong Kong: weights 9 to 1, modulo 11."""
    v = c.alnum(value).rjust(9)
    numbers = [36 if b == 0x20 else int(chr(b), 36) for b in v[:8]]
    return (c.weighted(numbers, range(9, 1, -1)) + (10 if v[8] == 0x41 else v[8] - 48)) % 11 == 0


def taiwanese(value: bytes) -> bool:
    """Taiwan: the letter as two digits, weights 1 9 8 7 6 5 4 3 2 1 1."""
    v = value.upper()
    letter = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(chr(v[0])) + 10
    return (letter // 10 + letter % 10 * 9 + c.weighted(c.ints(v[1:]), (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def my_number(value: bytes) -> bool:
    """Japan: modulo 11."""
    n = c.ints(value)
    rest = c.weighted(n[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return len(set(n)) > 1 and (0 if rest < 2 else 11 - rest) == n[11]


def thai(value: bytes) -> bool:
    """Thailand: weights 13 to 2, modulo 11."""
    n = c.ints(value)
    return (11 - c.weighted(n[:12], range(13, 1, -1)) % 11) % 10 == n[12]


def za_id(value: bytes) -> bool:
    """South Africa: a birth date, citizenship 0 to 2, Luhn."""
    n = c.digits(value)
    return c.yymmdd(n) and n[10] in b"012" and c.luhn(n)


def mykad(value: bytes) -> bool:
    """Malaysia: a birth date."""
    return c.yymmdd(value)


def tfn(value: bytes) -> bool:
    """Australia, tax: weights 1 4 3 7 5 8 6 9 10, modulo 11."""
    n = c.ints(value)
    return len(set(n)) > 1 and c.weighted(n, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def abn(value: bytes) -> bool:
    """Australia, business: modulo 89 with one taken from the first digit."""
    n = c.ints(value)
    return n[0] > 0 and c.weighted([n[0] - 1, *n[1:]], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def acn(value: bytes) -> bool:
    """Australia, company: weights 8 to 1."""
    n = c.ints(value)
    return (10 - c.weighted(n[:8], range(8, 0, -1)) % 10) % 10 == n[8]


def medicare(value: bytes) -> bool:
    """Australia, health: weights 1 3 7 9 1 3 7 9."""
    n = c.ints(value)
    return 2 <= n[0] <= 6 and c.weighted(n[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == n[8]


def ird(value: bytes) -> bool:
    """New Zealand: modulo 11."""
    n = c.ints(c.digits(value).rjust(9, b"0"))
    for weights in ((3, 2, 7, 6, 5, 4, 3, 2), (7, 4, 3, 2, 5, 2, 7, 6)):
        check = -c.weighted(n[:8], weights) % 11
        if check < 10:
            return check == n[8]
    return False


RECOGNISERS = (
    row("IN_AADHAAR", rb"\d{4}([ \-:])\d{4}[ \-:]\d{4}", aadhaar, rank=24),
    row("IN_AADHAAR", rb"[2-9]\d{11}", aadhaar, cued=False, rank=26),
    row("IN_AADHAAR", rb"\d{4}[ \-:]?\d{4}[ \-:]?\d{4}", None, cued=True, rank=26),
    row("IN_PAN", rb"[A-Z]{3}[ABCFGHJLPTKEabcfghjlptke][A-Z]\d{4}[A-Z]", pan, rank=26),
    row("IN_PAN", rb"[A-Za-z]{5}\d{4}[A-Za-z]", None, cued=True, rank=40),
    row("IN_GSTIN", rb"\d{2}[A-Z]{5}\d{4}[A-Z][1-9A-Z][Zz][0-9A-Z]", gstin, rank=18),
    row("IN_PASSPORT", rb"[A-Za-z][1-9]\d{6}", None, cued=True, rank=79),
    row("IN_VOTER", rb"[A-Za-z]{3}\d{7}", None, cued=True, rank=79),
    row("IN_VEHICLE_REGISTRATION", rb"[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{0,3}[ -]?\d{4}", None, cued=True, rank=80),
    row("SG_NRIC_FIN", rb"[STFGMstfgm]\d{7}[A-Za-z]", nric, rank=18),
    row("SG_NRIC_FIN", rb"[A-Za-z]\d{7}[A-Za-z]", None, cued=True, rank=40),
    row("SG_UEN", rb"\d{8,9}[A-Za-z]|[RSTrst]\d{2}[A-Za-z]{2}\d{4}[A-Za-z]", None, cued=True, rank=81),
    row("KR_RRN", rb"\d{6}-[1-4]\d{6}", rrn, rank=18),
    row("KR_RRN", rb"\d{6}[1-4]\d{6}", rrn_checked, rank=27),
    row("KR_FRN", rb"\d{6}-[5-8]\d{6}", rrn, rank=19),
    row("KR_FRN", rb"\d{6}[5-8]\d{6}", rrn, cued=True, rank=41),
    row("KR_BRN", rb"\d{3}-?\d{2}-?\d{5}", korean_business, cued=True, rank=42),
    row("KR_PASSPORT", rb"[MSRODGmsrodg]\d{3}[A-Za-z]\d{4}|[MSRODGmsrodg]\d{8}", None, cued=True, rank=69),
    row("CN_ID", rb"[1-9]\d{16}[0-9Xx]", cn_id, rank=9),
    row("HK_ID", rb"[A-Z]{1,2}\d{6}\(?[0-9A]\)?", hkid, cued=True, rank=42),
    row("TW_ID", rb"[A-Z][1289]\d{8}", taiwanese, cued=True, rank=42),
    row("JP_MY_NUMBER", rb"\d{4}[ -]?\d{4}[ -]?\d{4}", my_number, cued=True, rank=42),
    row("TH_TNIN", rb"[1-9]-?\d{4}-?\d{5}-?\d{2}-?\d", thai, cued=True, rank=33),
    row("PH_TIN", rb"\d{3}-\d{3}-\d{3}(?:-\d{3,5})?", None, cued=True, rank=44),
    row("MY_NRIC", rb"\d{6}-\d{2}-\d{4}", mykad, rank=27),
    row("ZA_ID_NUMBER", rb"\d{13}", za_id, cued=True, rank=33),
    row("NG_VEHICLE_REGISTRATION", rb"[A-Za-z]{3}-\d{3}[A-Za-z]{2}", None, cued=True, rank=80),
    row("AU_TFN", rb"\d{3}[ -]?\d{3}[ -]?\d{3}", tfn, cued=True, rank=34),
    row("AU_ABN", rb"\d{2} ?\d{3} ?\d{3} ?\d{3}", abn, cued=True, rank=34),
    row("AU_ACN", rb"\d{3} ?\d{3} ?\d{3}", acn, cued=True, rank=35),
    row("AU_MEDICARE", rb"[2-6]\d{3} ?\d{5} ?\d(?:[ /]?\d)?", medicare, cued=True, rank=34),
    row("NZ_IRD", rb"\d{2,3}-?\d{3}-?\d{3}", ird, cued=True, rank=43),
)
