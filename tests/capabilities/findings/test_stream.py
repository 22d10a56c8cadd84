"""However a text is cut, the stream gives what the scan of the whole gives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.findings.stream import Segment

SCANNER = Scanner(
    ScanOptions(
        patterns={"EMPLOYEE_ID": r"\bE-[0-9]{6}\b", "TICKET": "TK[0-9]+x*"},
        words={"PROJECT": ("bluebird", "red falcon"), "PLACE": ("Zürich",)},
        countries=frozenset({"DE"}),
    )
)
BODY = "abcdEFGH1234567890+/abcdEFGH1234567890\n" * 20
TEXTS = [
    "my password is: hunter2hunter and token=ghp_abcdefghij1234567890abcdefghij123456. ok",
    '{"api_key": "sk-proj-abcdefABCDEF1234567890abcdef", "password": "correct horse 9 battery staple" }',
    f"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234567890abcdefghij\n{BODY}-----END RSA PRIVATE KEY-----\nand then E-123456 for red  falcon TK999",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ." + "abcDEF123" * 60 + ". Next",
    'card <CREDIT_CARD_BCDFGHJKLMNPQRST> and password=<SECRET> and password="abc<EMAIL_ADDRESS_BCDFGHJKLMNPQRST>def1" x',
    "postgres://user:pa55word@db.example.com:5432/x 123-45-6789 ssn 123456789 is my ssn. 536904399 is the social security",
    "BLUEBIRD redfalcon red falcons red falcon. E-1234567 E-123456 E-123456E-123456 in zürich TK1xxTK2",
    "Authorization: Bearer abcdef0123456789ABCDEF.abc.def- and 4111 1111 1111 1111 4242 4242 4242 4242 1234",
    "GB82 WEST 1234 5698 7654 32 and QA58DOHB00001234567890ABCDEFG, hh 01 02 03 d. call 416 60 039 office",
    "[2001:db8::1]:80, 192.0.2.7, jane.doe@mail.example.com, 00:1A:2B:3C:4D:5E, +44 (20) 7946 0123 ext. 45",
    "4111 1111 " * 60,
    "a" * 700 + "@example.com b@example.com",
    'password="' + "pass1 word " * 60 + '" and more',
]


def merged(segments: list[Segment]) -> list[tuple[str, int, int]]:
    out: list[tuple[str, int, int]] = []
    at = 0
    for segment in segments:
        end = at + len(segment.text)
        if segment.category and segment.continued:
            category, start, before = out.pop()
            assert (category, before) == (segment.category, at)
            out.append((category, start, end))
        elif segment.category:
            out.append((segment.category, at, end))
        at = end
    return out


def streamed(pieces: list[str]) -> list[Segment]:
    stream = SCANNER.stream()
    segments = [segment for piece in pieces for segment in stream.push(piece)]
    return segments + stream.finish()


def same(text: str, cuts: list[int]) -> None:
    pieces = [text[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(text)])]
    segments = streamed(pieces)
    assert "".join(segment.text for segment in segments) == text
    assert merged(segments) == [tuple(finding) for finding in SCANNER.scan(text)]


@pytest.mark.parametrize("text", TEXTS)
def test_every_cut_in_two_and_the_finest_cut_give_the_findings_of_the_whole(text: str) -> None:
    for cut in range(1, len(text)):
        same(text, [cut])
    same(text, list(range(1, len(text))))


PIECES = st.sampled_from(
    [
        " ", ".", "\n", "-", '"', "'", "=", ":", ",", "(", "+", "\\n", "the ", "to AB ", "12", "2017", "4111 1111 ", "1111 1111", "415-555-0132",
        "jane", "@", "example.com", "password", "api_key", "secret: ", "hunter2X!", "ghp_abcdefghij1234567890abcdefghij",
        "GB82 WEST 1234 5698 7654 32", "E-123456", "TK77", "red ", "falcon", "ssn ", "078051123", " office", "x12", "<SECRET>",
        "<EMAIL_ADDRESS_BCDFGHJKLMNPQRST>", "<EMAIL_", "-----BEGIN PRIVATE KEY-----\n", "MIIEpAIBAAKCAQEA1234", "-----END PRIVATE KEY-----",
        "192.0.2.1", "::1", "https://u:", "pw1@h.example", "é", "\U0001f600",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=24), st.data())
def test_texts_put_together_at_random_stream_as_they_scan(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    same(text, data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    same(text, list(range(1, len(text))))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='01aE-. @:"=\n<>_Zü', max_size=80), st.data())
def test_noise_streams_as_it_scans(text: str, data: st.DataObject) -> None:
    same(text, data.draw(st.lists(st.integers(0, len(text)), max_size=8)))


@pytest.mark.parametrize("text", ["ghp_" + "a1B2xY7q" * 12_500, "a" * 100_000, "12 34 " * 16_000, 'password="' + "a1 " * 30_000, "x@" * 50_000, "<A_" * 30_000])
def test_what_waits_is_bounded(text: str) -> None:
    stream = SCANNER.stream()
    most = 0
    for at in range(0, len(text), 500):
        stream.push(text[at : at + 500])
        most = max(most, stream.held)
    assert most <= 1024


def test_an_overlong_credential_is_one_finding_in_several_segments() -> None:
    value = "ghp_" + "a1B2xY7q" * 150
    segments = streamed([value[at : at + 100] for at in range(0, len(value), 100)] + [" end"])
    secret = [segment for segment in segments if segment.category]
    assert len(secret) > 1
    assert [segment.continued for segment in secret] == [False] + [True] * (len(secret) - 1)
    assert "".join(segment.text for segment in secret) == value


def test_prose_is_held_back_for_few_characters_only() -> None:
    text = "Sure, here is how I would go about that: first look at the structure of the project, then decide what to keep. We met in 2017 with 300 people. " * 4
    stream = SCANNER_PLAIN.stream()
    held = []
    for at in range(0, len(text), 4):
        stream.push(text[at : at + 4])
        held.append(stream.held)
    assert sum(held) / len(held) <= 8


SCANNER_PLAIN = Scanner()
