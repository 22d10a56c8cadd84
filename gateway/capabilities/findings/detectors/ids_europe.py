"""Numbers of people and firms in continental Europe, Germany apart."""

from __future__ import annotations

from gateway.capabilities.findings import checksums as c
from gateway.capabilities.findings.detectors.rows import row

_DNI = b"TRWAGMYFPDXBNJZSQVHLCKE"


def nif(value: bytes) -> bool:
    """Spain: the letter is the number modulo 23."""
    v = c.alnum(value)
    return _DNI[int(v[:-1]) % 23] == v[-1]


def nie(value: bytes) -> bool:
    """Spain, foreigners: X, Y, Z stand for 0, 1, 2."""
    v = c.alnum(value)
    return _DNI[int(bytes([b"012"[b"XYZ".index(v[0])]]) + v[1:-1]) % 23] == v[-1]


def fiscal_code(value: bytes) -> bool:
    """Italy: month letter, day, and shape. The check letter is not demanded: a slip in typing leaves a person's code."""
    v = value.upper()
    return v[8] in b"ABCDEHLMPRST" or v[:6] == v[:1] * 6


def partita_iva(value: bytes) -> bool:
    """Italy, firms: Luhn, not all zero."""
    n = c.digits(value)
    return any(b != 0x30 for b in n[:7]) and c.luhn(n)


def nir(value: bytes) -> bool:
    """France: 97 minus the number modulo 97; 2A and 2B count as 19 and 18."""
    v = c.alnum(value).replace(b"2A", b"19").replace(b"2B", b"18")
    return v.isdigit() and 1 <= int(v[3:5]) <= 99 and 97 - int(v[:13]) % 97 == int(v[13:15])


def belgian(value: bytes) -> bool:
    """Belgium: 97 minus the first nine digits modulo 97, with a 2 in front for those born from 2000."""
    n = c.digits(value)
    rest = int(n[9:])
    month = int(n[2:4])
    return (month % 20 if month > 20 else month) <= 12 and int(n[4:6]) <= 31 and rest in {97 - int(n[:9]) % 97, 97 - int(b"2" + n[:9]) % 97}


def bsn(value: bytes) -> bool:
    """Netherlands: the eleven test."""
    n = c.ints(value)
    return len(set(n)) > 1 and (c.weighted(n[:8], range(9, 1, -1)) - n[8]) % 11 == 0


def pesel(value: bytes) -> bool:
    """Poland: weights 1, 3, 7, 9, modulo 10, and a month with its century."""
    n = c.ints(value)
    return c.weighted(n, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0 and 1 <= (n[2] * 10 + n[3]) % 20 <= 12


def polish_nip(value: bytes) -> bool:
    """Poland, tax: modulo 11."""
    n = c.ints(value)
    return c.weighted(n[:9], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == n[9]


def portuguese_nif(value: bytes) -> bool:
    """Portugal: weights 9 to 2, modulo 11."""
    n = c.ints(value)
    rest = c.weighted(n[:8], range(9, 1, -1)) % 11
    return (0 if rest < 2 else 11 - rest) == n[8]


def ahv(value: bytes) -> bool:
    """Switzerland: EAN-13 over a number that begins with 756."""
    n = c.ints(value)
    return (sum(n[0::2]) + 3 * sum(n[1::2])) % 10 == 0


def austrian_svnr(value: bytes) -> bool:
    """Austria: modulo 11 over serial and birth date."""
    n = c.ints(value)
    return c.weighted(n, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == n[3]


def cnp(value: bytes) -> bool:
    """Romania: modulo 11, ten counts as one."""
    n = c.ints(value)
    rest = c.weighted(n[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return 1 <= n[3] * 10 + n[4] <= 12 and not c.epoch_ms(value) and (1 if rest == 10 else rest) == n[12]


def egn(value: bytes) -> bool:
    """Bulgaria: modulo 11."""
    n = c.ints(value)
    return (n[2] * 10 + n[3]) % 20 <= 12 and c.weighted(n[:9], (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == n[9]


def rodne_cislo(value: bytes) -> bool:
    """Czechia and Slovakia: ten digits, divisible by 11; women's months are 50 higher."""
    n = c.digits(value)
    return int(n) % 11 == 0 and 1 <= int(n[2:4]) % 50 % 20 <= 12


def turkish(value: bytes) -> bool:
    """Turkey: two check digits."""
    n = c.ints(value)
    return (7 * sum(n[0:9:2]) - sum(n[1:8:2])) % 10 == n[9] and sum(n[:10]) % 10 == n[10]


def amka(value: bytes) -> bool:
    """Greece: a birth date and Luhn."""
    return c.ddmmyy(value) and c.luhn(value)


RECOGNISERS = (
    row("ES_NIF", rb"\d{7,8}[- ]?[A-HJ-NP-TV-Za-hj-np-tv-z]", nif, rank=18),
    row("ES_NIE", rb"[XYZxyz][- ]?\d{7,8}[- ]?[A-HJ-NP-TV-Za-hj-np-tv-z]", nie, rank=18),
    row("ES_PASSPORT", rb"[A-Za-z]{3}\d{6}", cued=True, rank=77),
    row(
        "IT_FISCAL_CODE",
        rb"[A-Za-z]{6}[0-9L-NP-Vl-np-v]{2}[A-Ea-eHhLlMmPpRrSsTt][0-9L-NP-Vl-np-v]{2}[A-Za-z][0-9L-NP-Vl-np-v]{3}[A-Za-z]",
        fiscal_code,
        rank=17,
    ),
    row("IT_VAT_CODE", rb"\d{11}|\d{8}_\d{3}", partita_iva, cued=True, rank=43),
    row("IT_IDENTITY_CARD", rb"[A-Za-z]{2} ?\d{7}|\d{7}[A-Za-z]{2}|[A-Za-z]{2}\d{5}[A-Za-z]{2}", cued=True, rank=77),
    row("IT_PASSPORT", rb"[A-Za-z]{2}\d{7}", cued=True, rank=78),
    row("IT_DRIVER_LICENSE", rb"[A-Za-z]{2}\d{7}[A-Za-z]|U1[0-9A-Z]{7}[A-Z]", cued=True, rank=78),
    row("FR_NIR", rb"[12378] ?\d{2} ?\d{2} ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3} ?\d{2}", nir, rank=14),
    row("BE_NN", rb"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", belgian, rank=17),
    row("BE_NN", rb"\d{2}[. ]\d{2}[. ]\d{2}[- ]\d{3}[. ]\d{2}", belgian, rank=17),
    row("BE_NN", rb"\d{11}|\d{6}-\d{3}-\d{2}|\d{6}-\d{5}", belgian, rank=26),
    row("NL_BSN", rb"\d{9}|\d{4}\.\d{2}\.\d{3}|\d{3} \d{3} \d{3}", bsn, cued=True, rank=43),
    row("PL_PESEL", rb"\d{11}", pesel, cued=True, rank=32),
    row("PL_NIP", rb"\d{3}-\d{3}-\d{2}-\d{2}|\d{3}-\d{2}-\d{2}-\d{3}|\d{10}", polish_nip, cued=True, rank=43),
    row("PT_NIF", rb"\d{9}|\d{3} \d{3} \d{3}", portuguese_nif, cued=True, rank=44),
    row("CH_AHV", rb"756\.?\d{4}\.?\d{4}\.?\d{2}", ahv, rank=17),
    row("AT_SVNR", rb"\d{4} ?\d{6}", austrian_svnr, cued=True, rank=44),
    row("RO_CNP", rb"[1-8]\d{12}", cnp, rank=27),
    row("BG_EGN", rb"\d{10}", egn, cued=True, rank=44),
    row("CZ_RODNE_CISLO", rb"\d{6}/\d{4}", rodne_cislo, rank=27),
    row("CZ_RODNE_CISLO", rb"\d{10}", rodne_cislo, cued=True, rank=45),
    row("HR_OIB", rb"\d{11}", c.mod11_10, cued=True, rank=45),
    row("GR_AMKA", rb"\d{11}", amka, cued=True, rank=45),
    row("TR_NATIONAL_ID", rb"[1-9]\d{10}", turkish, cued=True, rank=32),
    row("TR_LICENSE_PLATE", rb"(?:0[1-9]|[1-7]\d|8[01]) ?[A-Z]{1,3} ?\d{2,4}", cued=True, rank=80),
)
