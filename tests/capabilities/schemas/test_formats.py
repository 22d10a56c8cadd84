from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.schemas.formats import LENGTHS
from gateway.capabilities.schemas.registry import Schemas

SCHEMAS = Schemas()


def conforms(name: str, text: str) -> bool:
    return not SCHEMAS.compile({"format": name})._failures(text)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2024-02-29", "2023-02-29"),
        ("time", "23:59:59Z", "25:00:00Z"),
        ("date-time", "2024-02-29T10:00:00+01:00", "2024-02-29 10:00"),
        ("duration", "P1DT12H", "1 day"),
        ("email", "ada@example.com", "ada"),
        ("idn-email", "äda@example.com", "äda"),
        ("hostname", "a.example.com", "-a.example.com"),
        ("idn-hostname", "bücher.example", "〮bücher.example"),
        ("ipv4", "192.0.2.1", "192.0.2.256"),
        ("ipv6", "2001:db8::1", "2001:db8::1::"),
        ("uri", "https://example.com/a?b#c", "/a"),
        ("uri-reference", "/a", "\\a"),
        ("iri", "https://example.com/ä", "/ä"),
        ("iri-reference", "/ä", "\\ä"),
        ("uri-template", "https://example.com/{id}", "https://example.com/{id"),
        ("uuid", "12345678-1234-1234-1234-123456789012", "12345678123412341234123456789012"),
        ("json-pointer", "/a/0", "a"),
        ("relative-json-pointer", "1/a", "/a"),
        ("regex", "^a+$", "(?=a)"),
    ],
)
def test_each_format_tells_good_from_bad(name: str, good: str, bad: str) -> None:
    assert conforms(name, good)
    assert not conforms(name, bad)


@pytest.mark.parametrize("name", sorted(LENGTHS))
def test_a_text_longer_than_its_format_allows_does_not_conform(name: str) -> None:
    assert not conforms(name, "a" * (LENGTHS[name] + 1))


def test_an_unknown_format_is_an_annotation_and_other_types_conform() -> None:
    assert conforms("postal-code", "anything")
    assert SCHEMAS.compile({"format": "date"}).check("7").failures == ()


@given(name=st.sampled_from(sorted(LENGTHS)), text=st.text(max_size=40) | st.text(alphabet="0123456789-:.TZP/{}%@²[]", max_size=40))
def test_no_text_makes_a_format_fail_in_another_way(name: str, text: str) -> None:
    assert conforms(name, text) in {True, False}
