"""Check digits that several countries and trades share. Each takes ASCII bytes; separators have been removed."""

from __future__ import annotations

from collections.abc import Sequence

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

# Verhoeff's dihedral group D5: multiplication and permutation (J. Verhoeff, Error Detecting Decimal Codes, 1969).
_D5 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6), (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1), (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4), (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
_P8 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2), (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1), (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)  # fmt: skip

_NOT_DIGITS = bytes(b for b in range(256) if not 0x30 <= b <= 0x39)
_NOT_ALNUM = bytes(b for b in range(256) if not bytes([b]).isalnum())


def digits(value: bytes) -> bytes:
    """``value`` without anything but its digits."""
    return value.translate(None, _NOT_DIGITS)


def alnum(value: bytes) -> bytes:
    """``value`` in capitals without its separators."""
    return value.translate(None, _NOT_ALNUM).upper()


def ints(value: bytes) -> list[int]:
    """The digits of ``value`` as numbers."""
    return [b - 48 for b in digits(value)]


def weighted(numbers: Sequence[int], weights: Sequence[int]) -> int:
    """Sum of products, over the shorter of the two."""
    return sum(n * w for n, w in zip(numbers, weights, strict=False))


def luhn(value: bytes) -> bool:
    """ISO/IEC 7812-1 annex B."""
    numbers = ints(value)
    return (sum(numbers[-1::-2]) + sum(_DOUBLED[n] for n in numbers[-2::-2])) % 10 == 0


def verhoeff(value: bytes) -> bool:
    """Verhoeff's dihedral check, as Aadhaar uses it."""
    state = 0
    for at, number in enumerate(reversed(ints(value))):
        state = _D5[state][_P8[at % 8][number]]
    return state == 0


def mod97_iban(value: bytes) -> bool:
    """ISO 13616: the first four characters moved to the end, letters as 10 to 35, remainder 1."""
    turned = value[4:] + value[:4]
    return int("".join(str(int(chr(c), 36)) for c in turned)) % 97 == 1


def mod11_10(value: bytes) -> bool:
    """ISO 7064 MOD 11,10, as German tax ids and Croatian OIBs use it."""
    product = 10
    numbers = ints(value)
    for number in numbers[:-1]:
        product = (((number + product) % 10 or 10) * 2) % 11
    return (11 - product) % 10 == numbers[-1]


def varied(value: bytes, least: int = 2) -> bool:
    """Whether at least so many different digits occur."""
    return len(set(digits(value))) >= least


def real_date(year: int, month: int, day: int) -> bool:
    """Whether month and day can be; ``year`` is not looked at beyond leap days."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return False
    last = 30 if month in {4, 6, 9, 11} else 31
    if month == 2:
        last = 29 if year % 4 == 0 else 28
    return day <= last


def yymmdd(value: bytes) -> bool:
    """Whether the first six digits are a date, year first."""
    n = digits(value)
    return real_date(int(n[:2]), int(n[2:4]), int(n[4:6]))


def ddmmyy(value: bytes) -> bool:
    """Whether the first six digits are a date, day first."""
    n = digits(value)
    return real_date(int(n[4:6]), int(n[2:4]), int(n[:2]))


def epoch_ms(value: bytes) -> bool:
    """Whether thirteen digits are rather a time in milliseconds, from 2010 to 2039."""
    return 1_262_304_000_000 <= int(value) <= 2_208_988_800_000
