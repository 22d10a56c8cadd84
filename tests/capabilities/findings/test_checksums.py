"""Check digits: numbers from the standards hold, and a changed digit is noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.capabilities.findings import checksums as c


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (c.luhn, b"4111111111111111"),
        (c.luhn, b"79927398713"),
        (c.verhoeff, b"399876543211"),
        (c.mod97_iban, b"GB82WEST12345698765432"),
        (c.mod11_10, b"12345678903"),
    ],
)
def test_a_changed_digit_is_noticed(check: Callable[[bytes], bool], value: bytes) -> None:
    assert check(value)
    for at in range(len(value)):
        if value[at : at + 1].isdigit():
            other = b"%d" % ((value[at] - 48 + 1) % 10)
            assert not check(value[:at] + other + value[at + 1 :])


@pytest.mark.parametrize(("date", "real"), [((0, 2, 29), True), ((1, 2, 29), False), ((1, 4, 31), False), ((1, 13, 1), False), ((1, 12, 31), True)])
def test_dates_that_cannot_be_are_none(date: tuple[int, int, int], real: bool) -> None:
    assert c.real_date(*date) is real
