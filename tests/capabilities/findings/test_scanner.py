"""What is found, what is not, and what it costs."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner
from gateway.domain import Finding

SCANNER = Scanner()
PLACEHOLDER = "<EMAIL_ADDRESS_BCDFGHJKLMNPQRST>"


def found(text: str, key: str | None = None) -> list[tuple[str, str]]:
    return [(finding.category, text[finding.start : finding.end]) for finding in SCANNER.scan(text, key)]


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("write to jane.doe+x@mail.example.com.", "EMAIL_ADDRESS", "jane.doe+x@mail.example.com"),
        ("mailto=jane@example.com&x", "EMAIL_ADDRESS", "jane@example.com"),
        ("pay with 4111 1111 1111 1111 now", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("pay with 378282246310005", "CREDIT_CARD", "378282246310005"),
        ("to GB82 WEST 1234 5698 7654 32, please", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("(415) 555-0132", "PHONE_NUMBER", "(415) 555-0132"),
        ("+44 (20) 7946 0123", "PHONE_NUMBER", "+44 (20) 7946 0123"),
        ("office: 030 123456", "PHONE_NUMBER", "030 123456"),
        ("078-05-1123", "US_SSN", "078-05-1123"),
        ("my ssn is 078051123", "US_SSN", "078051123"),
        ("911-70-1234", "US_ITIN", "911-70-1234"),
        ("from 192.0.2.7/24", "IP_ADDRESS", "192.0.2.7/24"),
        ("[2001:db8::1]:80", "IP_ADDRESS", "2001:db8::1"),
        ("00:1A:2B:3C:4D:5E", "MAC_ADDRESS", "00:1A:2B:3C:4D:5E"),
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        ("nino PR 12 36 12 C ok", "UK_NINO", "PR 12 36 12 C"),
        ("12345678Z", "ES_NIF", "12345678Z"),
        ("131052-308T", "FI_PERSONAL_IDENTITY_CODE", "131052-308T"),
        ("my passport is A12803456", "US_PASSPORT", "A12803456"),
        ("driver's license D1234567", "US_DRIVER_LICENSE", "D1234567"),
        ("born on 12/03/1981", "DATE_OF_BIRTH", "12/03/1981"),
        ("card \uff14111-1111-1111-1111", "CREDIT_CARD", "\uff14111-1111-1111-1111"),
        ("quoted once more:\\n415-555-0132\\n", "PHONE_NUMBER", "415-555-0132"),
    ],
)
def test_a_value_is_found_exactly(text: str, category: str, value: str) -> None:
    assert found(text) == [(category, value)]


@pytest.mark.parametrize(
    "text",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "version 1.2.3.4, v10.0.19041.1, 3.11.4",
        "2024-01-15T10:30:00.123456Z 1700000000 1700000000000",
        "$1,234.56 or 1 234 567 EUR",
        "ISBN 978-3-16-148410-0, 0-306-40615-2",
        "order 123456789012, invoice 2024-000123",
        "x[::2] std::cout 10:20:30 a::b",
        "ZIP 12345-6789, room 1203",
        'password = os.environ["DB_PASSWORD"]',
        "def login(password: str, token: str) -> None: ...",
        '{"max_tokens": 128000, "token_type": "bearer", "key": "username"}',
        "git@github.com:example/repo.git",
        "https://www.example.com/a/b?c=d",
        "4111 1111 1111 1112 and 4111-1111-1111",
        "GB82 WEST 1234 5698 7654 33",
        "123456789 A12803456 12/03/1981",
    ],
)
def test_ordinary_text_holds_nothing(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("key", "value", "category"),
    [
        ("ssn", "078051123", "US_SSN"),
        ("userPassword", "abcdef12", "SECRET"),
        ("phone", "5550132", "PHONE_NUMBER"),
        ("passport_number", "A12803456", "US_PASSPORT"),
    ],
)
def test_a_json_key_is_as_good_as_a_word_before_the_value(key: str, value: str, category: str) -> None:
    assert found(value) == []
    assert found(value, key) == [(category, value)]


@pytest.mark.parametrize("text", [PLACEHOLDER, f"password={PLACEHOLDER}", "password=<SECRET>", f'token: "{PLACEHOLDER}"', f"a{PLACEHOLDER}@example.com"])
def test_nothing_is_found_in_a_placeholder_or_across_one(text: str) -> None:
    findings = SCANNER.scan(text)
    at = text.index("<")
    assert all(finding.start >= text.index(">") or finding.end <= at for finding in findings)


def test_findings_are_sorted_and_apart_and_offsets_count_code_points() -> None:
    text = "\U0001f600 b@example.com \U0001f600 a@example.com 4111111111111111"
    findings = SCANNER.scan(text)
    assert [text[f.start : f.end] for f in findings] == ["b@example.com", "a@example.com", "4111111111111111"]
    assert all(one.end <= other.start for one, other in itertools.pairwise(findings))


def test_lone_surrogates_and_nul_do_no_harm() -> None:
    assert SCANNER.scan("\ud800 jane@example.com \x00") == (Finding("EMAIL_ADDRESS", 2, 18),)


def test_enabled_categories_and_country_packs_need_no_cue() -> None:
    assert Scanner(ScanOptions(enable=frozenset({"US_PASSPORT"}))).scan("A12803456") == (Finding("US_PASSPORT", 0, 9),)
    assert Scanner(ScanOptions(countries=frozenset({"PL"}))).scan("44051401458") == (Finding("PL_PESEL", 0, 11),)


def test_the_revision_tells_options_apart() -> None:
    plain, again = Scanner(), Scanner()
    other = [Scanner(ScanOptions(words={"A": ("b",)})), Scanner(ScanOptions(countries=frozenset({"DE"}))), Scanner(ScanOptions(patterns={"A": "b"}))]
    assert plain.revision == again.revision
    assert len({plain.revision, *(scanner.revision for scanner in other)}) == 4


UNITS = [
    "a", "0", "1 ", "12-", "1.", "a@", "@", "@a.", "::", "1:", "ab:", "0.0", "://a:", "a://b:c@", "eyJ", "eyJabcdefghijklmnop.", "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----\n", "password=", 'password="', "secret=a1", "token ", "api_key=", "<", "<A_", "+1 (2", "1(", "123 456 ", "a0 ",
    "aa00", "GB82 WEST ", "4111 1111 1111 1111 ", "123-45-6789 ", "ssn 123456789 ", "phone 11 22 33 ", "sk-ant-", "_", "\\n1", "aaaaaaaaaaaaaaa ",
    "passw:", "12345678:AA", "hook.", "Q~", "\u00e9", "\u0663", "bearer ", "key is ", "12 Jan ", "SG.a",
]  # fmt: skip
ALPHABETS = ["01 ", "0a-", "0a:", "a.@", "0.", "1 -(+", "ab0:.", '"\\=: keypassword', "<A_>", "eyJ._-", "0123456789 -."]


def cpu_of(text: str) -> float:
    began = time.process_time()
    SCANNER.scan(text)
    return time.process_time() - began


@pytest.mark.parametrize("unit", UNITS)
def test_no_repetition_makes_the_scan_go_beyond_linear(unit: str) -> None:
    short, long = (unit * (size // len(unit)) for size in (10_000, 100_000))
    SCANNER.scan(short)
    assert cpu_of(long) < 5.0, "a quadratic pattern needs minutes of CPU for this"


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_no_noise_makes_the_scan_go_beyond_linear(alphabet: str) -> None:
    drawn = random.Random(5)
    assert cpu_of("".join(drawn.choice(alphabet) for _ in range(100_000))) < 5.0
