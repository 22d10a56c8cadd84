"""The guards around structured values."""

from __future__ import annotations

import re

import pytest

from gateway.capabilities.findings.detectors.rows import row

PATTERN = re.compile(row("US_TEST", rb"\d{3}-\d{2}").pattern)


@pytest.mark.parametrize(
    ("text", "at", "stands"),
    [(b"123-45", 0, True), (b"a: 123-45.", 3, True), (b"9-123-45", 2, False), (b"123-456", 0, False), (b"123-45-6", 0, False), (b"123-45.6", 0, False)],
)
def test_a_piece_of_something_longer_does_not_stand(text: bytes, at: int, stands: bool) -> None:
    assert (PATTERN.match(text, at) is not None) is stands


def test_a_row_belongs_to_the_country_that_its_name_begins_with() -> None:
    assert [row(name, b"x").country for name in ("DE_TAX_ID", "UK_NHS", "PHONE_NUMBER")] == ["DE", "GB", ""]
