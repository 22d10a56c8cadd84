"""Numbers of people and firms in the Americas."""

from __future__ import annotations

from gateway.capabilities.findings import checksums as c
from gateway.capabilities.findings.detectors.rows import row


def ssn(value: bytes) -> bool:
    """SSA: no area 000, 666 or 900-999, no group 00, no serial 0000; not a famous sample."""
    n = c.digits(value)
    return n[:3] not in {b"000", b"666"} and n[0] != 0x39 and n[3:5] != b"00" and n[5:] != b"0000" and c.varied(n) and n != b"123456789"


def ssn_separated(value: bytes) -> bool:
    """As ``ssn``, the sample 123-45-6789 included: written so, it is meant as one."""
    n = c.digits(value)
    return n == b"123456789" or ssn(value)


def itin(value: bytes) -> bool:
    """IRS: 9xx with a group of 50-65, 70-88, 90-92 or 94-99."""
    group = int(c.digits(value)[3:5])
    return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99


def npi(value: bytes) -> bool:
    """CMS: Luhn over the number with the prefix 80840."""
    n = c.digits(value)
    return c.varied(n) and c.luhn(b"80840" + n)


def dea(value: bytes) -> bool:
    """DEA: the last digit checks the six before it."""
    n = c.ints(value[2:])
    return (n[0] + n[2] + n[4] + 2 * (n[1] + n[3] + n[5])) % 10 == n[6]


def sin(value: bytes) -> bool:
    """Canada: Luhn, first digit not 0 or 8."""
    n = c.digits(value)
    return n[0] not in b"08" and c.varied(n) and c.luhn(n)


def _br_digit(n: list[int], weights: tuple[int, ...]) -> int:
    rest = c.weighted(n, weights) % 11
    return 0 if rest < 2 else 11 - rest


def cpf(value: bytes) -> bool:
    """Receita Federal: two check digits modulo 11."""
    n = c.ints(value)
    return len(set(n)) > 1 and _br_digit(n[:9], tuple(range(10, 1, -1))) == n[9] and _br_digit(n[:10], tuple(range(11, 1, -1))) == n[10]


def cnpj(value: bytes) -> bool:
    """Receita Federal: two check digits modulo 11."""
    n = c.ints(value)
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return len(set(n)) > 1 and _br_digit(n[:12], weights[1:]) == n[12] and _br_digit(n[:13], weights) == n[13]


_CURP = "0123456789ABCDEFGHIJKLMN\u00d1OPQRSTUVWXYZ"
_MX_STATES = frozenset(b"AS BC BS CC CL CM CS CH DF DG GT GR HG JC MC MN MS NT NL OC PL QT QR SP SL SR TC TS TL VZ YN ZS NE CX".split())


def curp(value: bytes) -> bool:
    """RENAPO: birth date, state and check digit modulo 10."""
    v = value.upper()
    total = sum(_CURP.index(chr(b)) * (18 - at) for at, b in enumerate(v[:17]))
    return v[11:13] in _MX_STATES and c.yymmdd(v[4:10]) and (10 - total % 10) % 10 == v[17] - 48


def rut(value: bytes) -> bool:
    """Chile: modulo 11 with K for ten."""
    v = c.alnum(value)
    total = sum((b - 48) * (2 + at % 6) for at, b in enumerate(reversed(v[:-1])))
    return b"0123456789K0"[(11 - total % 11) % 11 if total % 11 != 1 else 10] == v[-1]


def cuit(value: bytes) -> bool:
    """Argentina: modulo 11."""
    n = c.ints(value)
    rest = (11 - c.weighted(n[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11
    return n[0] * 10 + n[1] in {20, 23, 24, 25, 26, 27, 30, 33, 34, 50, 51, 55} and rest % 10 == n[10]


_M = rb"[AC-HJKMNP-RT-Yac-hjkmnp-rt-y]"
_MX = rb"[0-9AC-HJKMNP-RT-Yac-hjkmnp-rt-y]"

RECOGNISERS = (
    row("US_SSN", rb"\d{3}([-])\d{2}-\d{4}", ssn_separated, rank=15),
    row("US_SSN", rb"\d{3} \d{2} \d{4}(?! \d)", ssn, rank=15),
    row("US_SSN", rb"\d{3}\.\d{2}\.\d{4}", ssn, rank=15),
    row("US_SSN", rb"\d{9}", ssn, cued=True, rank=35),
    row("US_SSN", rb"\d{3}-?\d{2}-?\d{4}", ssn, cued=True, rank=35),
    row("US_ITIN", rb"9\d{2}[- ]\d{2}[- ]\d{4}", itin, rank=16),
    row("US_ITIN", rb"9\d{8}", itin, cued=True, rank=34),
    row("US_NPI", rb"[12]\d{9}", npi, cued=True, rank=33),
    row("US_NPI", rb"[12]\d{3}[- ]\d{3}[- ]\d{3}", npi, rank=33),
    row("US_MBI", rb"[1-9]" + _M + _MX + rb"\d[- ]?" + _M + _MX + rb"\d[- ]?" + _M + _M + rb"\d\d", rank=18),
    row("US_PASSPORT", rb"[A-Za-z]\d{8}", cued=True, rank=70),
    row("US_PASSPORT", rb"\d{9}", cued=True, rank=72),
    row("US_DRIVER_LICENSE", rb"[A-Za-z]{1,3}\d{5,14}[A-Za-z]?", cued=True, rank=71),
    row("US_DRIVER_LICENSE", rb"[A-Za-z]\d{3}-\d{3,4}-\d{2,4}(?:-\d{1,4})?(?:-\d{1,2})?", cued=True, rank=71),
    row("US_DRIVER_LICENSE", rb"\d{7,12}[A-Za-z]{0,2}", cued=True, rank=73),
    row("US_DRIVER_LICENSE", rb"\d{2,3}[- ]\d{2,3}[- ]\d{2,4}", cued=True, rank=84),
    row("US_DRIVER_LICENSE", rb"[A-Za-z][ \-]?\d{3}[ \-]\d{3}[ \-]\d{2,3}[ \-]?\d{2,3}", cued=True, rank=71),
    row("US_DRIVER_LICENSE", rb"[A-Z]{1,3}(?:\d[A-Z]{0,3}){5,9}", cued=True, rank=74),
    row("MEDICAL_LICENSE", rb"[A-Za-z]{2}\d{7}", dea, cued=True, rank=36),
    row("US_EIN", rb"\d{2}-\d{7}", cued=True, rank=75),
    row("CA_SIN", rb"\d{3}[- ]\d{3}[- ]\d{3}", sin, cued=True, rank=36),
    row("CA_SIN", rb"\d{9}", sin, cued=True, rank=36),
    row("BR_CPF", rb"\d{3}\.\d{3}\.\d{3}[-. ]\d{2}", cpf, rank=17),
    row("BR_CPF", rb"\d{11}|\d{9}-\d{2}", cpf, cued=True, rank=31),
    row("BR_CNPJ", rb"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", cnpj, rank=17),
    row("BR_CNPJ", rb"\d{14}|\d{8}/\d{4}-\d{2}", cnpj, cued=True, rank=31),
    row("MX_CURP", rb"[A-Za-z]{4}\d{6}[HMXhmx][A-Za-z]{5}[0-9A-Za-z]\d", curp, rank=17),
    row("MX_RFC", rb"[A-Za-z&]{3,4}\d{6}[0-9A-Za-z]{3}", c.yymmdd, cued=True, rank=37),
    row("CL_RUT", rb"\d{1,2}\.\d{3}\.\d{3}-[0-9kK]", rut, rank=17),
    row("CL_RUT", rb"\d{7,8}-?[0-9kK]", rut, cued=True, rank=37),
    row("AR_CUIT", rb"\d{2}-\d{8}-\d", cuit, rank=17),
    row("AR_CUIT", rb"\d{11}", cuit, cued=True, rank=37),
)
