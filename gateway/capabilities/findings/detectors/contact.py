"""Telephone numbers by their written form: international, North American, trunk prefix 0, and looser groups where a word speaks of a phone.

Dates of birth stand here too: a date is one only next to such a word.
"""

from __future__ import annotations

import re

from gateway.capabilities.findings import checksums as c
from gateway.capabilities.findings.detectors.rows import row
from gateway.capabilities.findings.model import Check, Recogniser

_LEFT = rb"(?<![0-9A-Za-z][-.])(?<![_@/])(?<!\d[ ,])"
_EXT = rb"(?:(?: ?x|[ ,;]{1,2}ext\.? ?|#)\d{1,6}+)?"
_RIGHT = rb"(?![0-9A-Za-z_@])(?![-.:/,]\d)(?!-(?![OoFfMmHhWwCcTt][A-Za-z]{2,6}(?![A-Za-z]))[A-Za-z])"
_LOOSE_RIGHT = _RIGHT + rb"(?! \d)"
_DATE_LIKE = re.compile(
    rb"(?:19|20)\d\d[ .\-/](?:0?[1-9]|1[0-2])[ .\-/](?:0?[1-9]|[12]\d|3[01])|(?:0?[1-9]|[12]\d|3[01])[ .\-/](?:0?[1-9]|1[0-2])[ .\-/](?:19|20)\d\d"
    rb"|(?:0?[1-9]|1[0-2])[ .\-/](?:0?[1-9]|[12]\d|3[01])[ .\-/](?:19|20)\d\d|(?:0?[1-9]|[12]\d|3[01])[.\-/](?:0?[1-9]|[12]\d|3[01])[.\-/]\d\d"
)
_ZIP_PLUS_4 = re.compile(rb"\d{5}-\d{4}")
_YEARS = re.compile(rb"(?:19|20)\d\d[ .\-/](?:19|20)\d\d")
_CODES_1 = frozenset(b"17")
_CODES_2 = frozenset(
    b"20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98".split()
)
_CODES_3_FIRST = frozenset(b"21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99".split())


def international(value: bytes) -> bool:
    """ITU-T E.164: an assigned country code and 7 to 15 digits in all."""
    n = c.digits(value.split(b"x")[0].split(b"ext")[0])
    n = n[2:] if n.startswith(b"00") else n[3:] if n.startswith(b"011") else n
    if not 7 <= len(n) <= 15:
        return False
    if n[0] in _CODES_1:
        return len(n) == 11
    return n[:2] in _CODES_2 or n[:2] in _CODES_3_FIRST


def north_american(value: bytes) -> bool:
    """Ten digits, not a date or a run of one digit. Area and exchange codes are not held to 2-9: made-up numbers are somebody's too."""
    return c.varied(value, 3)


def trunk(value: bytes) -> bool:
    """A trunk prefix 0, then 8 to 10 digits more, and neither a date nor a ZIP+4 of New England."""
    n = c.digits(value)
    return 9 <= len(n) <= 12 and c.varied(n, 3) and not _DATE_LIKE.fullmatch(value) and not _ZIP_PLUS_4.fullmatch(value)


def grouped(value: bytes) -> bool:
    """Two to six groups, 6 to 13 digits in all, and neither a date nor years."""
    n = c.digits(value)
    return 6 <= len(n) <= 13 and c.varied(n) and not _DATE_LIKE.fullmatch(value) and not _YEARS.fullmatch(value)


def bare(value: bytes) -> bool:
    """A run of digits beside a word for a phone."""
    return c.varied(value, 3)


def _phone(pattern: bytes, check: Check, *, cued: bool = False, loose: bool = False, rank: int = 60) -> Recogniser:
    right = _LOOSE_RIGHT if loose else _RIGHT
    return Recogniser(category="PHONE_NUMBER", pattern=_LEFT + pattern + _EXT + right, check=check, cued=cued, rank=rank)


_NANP = rb"(?:\(\d{3}\) ?-?|\d{3}[ .\-])\d{3}[ .\-]\d{4}"
_GROUP = rb"(?:[ .\-/]\d{1,12}+|[ .\-/]?\(\d{1,5}\)[ \-]?\d{1,12}+)"

RECOGNISERS = (
    _phone(rb"\+\(?\d{1,14}+\)?" + _GROUP + rb"{1,6}", international, rank=20),
    _phone(rb"\+\d{8,15}+", international, rank=20),
    _phone(rb"(?:00|011[ \-])[1-9]\d{0,13}+" + _GROUP + rb"{1,6}", international, rank=22),
    _phone(rb"00[1-9]\d{8,12}+", international, cued=True, rank=22),
    _phone(rb"\+?1[ .\-]?" + _NANP, north_american, rank=23),
    _phone(rb"91[ \-]" + _NANP, north_american, rank=23),
    _phone(_NANP, north_american, rank=55),
    _phone(rb"\(0\d{1,4}\) ?\d{2,8}+(?:[ \-]\d{2,5}+){0,3}", trunk, rank=24),
    _phone(rb"\(\d{1,5}\) ?\d{2,5}+[ \-]\d{3,5}+(?:[ \-]\d{2,5}+)?", grouped, loose=True, rank=58),
    _phone(rb"\(\d{2,5}\) ?\d{5,8}+", grouped, rank=58, loose=True),
    _phone(rb"0[1-9]\d{0,4}(?:[ .\-/]\d{2,8}+){1,4}", trunk, loose=True, rank=57),
    _phone(rb"0[579]\d{9}", bare, rank=57),
    _phone(rb"8[ \-]?\(\d{3}\)[ \-]?\d{3}[ \-]\d{2}[ \-]\d{2}", grouped, rank=56),
    _phone(rb"1[3-9]\d[ \-]\d{4}[ \-]\d{4}", grouped, rank=57),
    _phone(rb"\d{1,9}+(?:[ .\-/]\d{1,9}+){1,5}", grouped, cued=True, loose=True, rank=85),
    _phone(rb"\(\d{1,5}\) ?\d{3,9}+(?:[ .\-]\d{1,9}+){0,4}", grouped, cued=True, rank=85),
    _phone(rb"0 ?\(\d{2,4}\)[ \-]?\d{2,4}+(?:[ \-]\d{2,5}+){1,3}", trunk, rank=57),
    _phone(rb"\d{7,13}", bare, cued=True, rank=86),
    row("DATE_OF_BIRTH", rb"\d{1,2}[ ./\-]\d{1,2}[ ./\-](?:19|20)?\d\d", cued=True, rank=30),
    row("DATE_OF_BIRTH", rb"(?:19|20)\d\d[ ./\-]\d{1,2}[ ./\-]\d{1,2}", cued=True, rank=30),
    row("DATE_OF_BIRTH", rb"\d{1,2}(?:st|nd|rd|th)? (?:[A-Z][a-z]{2,8}) (?:19|20)\d\d", cued=True, rank=30),
)
