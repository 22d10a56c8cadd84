"""What is told to be plain has nothing that the engine would find, now or with what comes: for every row, every finder, and texts drawn at random."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capabilities.findings.catalogue import COUNTRIES, FINDERS, RECOGNISERS
from gateway.capabilities.findings.detectors import assignments, secrets
from gateway.capabilities.findings.engine import Engine
from gateway.capabilities.findings.model import CONTEXT
from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.plain import LONGEST, REACH, STEMS, PlainText
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.findings.stream import StreamScanner

ENABLED = frozenset(row.category for row in RECOGNISERS)
ENGINES = [
    Engine(ScanOptions()),
    Engine(ScanOptions(enable=ENABLED, countries=COUNTRIES, words={"PROJECT": ("bluebird", "red falcon", "c++"), "PLACE": ("Zürich", "straße")})),
    Engine(ScanOptions(patterns={"EMPLOYEE_ID": r"\bE-[0-9]{6}\b", "TICKET": "TK[0-9]+x*"}, words={"PROJECT": ("red falcon",)})),
]


def agrees(engine: Engine, pieces: list[str]) -> int:
    """Streams the pieces; how often a piece passed as plain. What passed is less than the slow way would give out, and held nothing."""
    stream = StreamScanner(engine)
    passed = 0
    for piece in pieces:
        context, held = stream._context, stream._held + piece
        cut = -1
        if stream._tail is None and 0 < len(held) <= LONGEST:
            cut = engine.plain.ready(context, held, clean=stream._clean)
        if cut >= 0:
            passed += 1
            text = context + held
            examined = engine.examine(text, base=len(context), final=False, resume=stream._resume)
            slow, opened = stream._cut(examined, text, len(context), final=False)
            assert (examined.accepted, examined.pending, opened) == ([], len(text), None)
            assert cut <= slow - len(context)
        stream.push(piece)
    return passed


def whole_corpus() -> list[str]:
    """The texts of every other test of the scanner: what stands there in quotes is adversarial."""
    quoted = re.compile(r'"((?:[^"\\\n]|\\.){6,400})"')
    here = Path(__file__).parent
    return sorted({text for file in here.rglob("test_*.py") for text in quoted.findall(file.read_text(encoding="utf-8"))})


CORPUS = whole_corpus()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [1, 7, 40])
def test_the_texts_of_all_tests_pass_only_where_the_engine_finds_nothing(engine: Engine, size: int) -> None:
    assert len(CORPUS) > 300
    for text in CORPUS:
        agrees(engine, [text[at : at + size] for at in range(0, len(text), size)])


@pytest.mark.parametrize("text", CORPUS)
def test_a_text_with_a_finding_is_never_plain(text: str) -> None:
    for engine in ENGINES[:2]:
        if engine.examine(text, base=0, final=True, resume=engine.start_places()).accepted:
            assert engine.plain.ready("", text[:LONGEST] + " ", clean=False) == -1 or len(text) > LONGEST


def test_the_corpus_has_a_finding_of_nearly_every_kind() -> None:
    """So that a new row or finder that comes with its tests is held to the rules here."""
    scanner = Scanner(ScanOptions(enable=ENABLED, countries=COUNTRIES))
    found = {finding.category for text in CORPUS for finding in scanner.scan(text)}
    assert found >= {"EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "MAC_ADDRESS", "CRYPTO", "SECRET", "CREDIT_CARD", "PHONE_NUMBER"}


def test_no_finder_is_without_a_rule() -> None:
    known = {"find_emails", "find_ibans", "find_network", "find_assignments", "find_schemes"}
    known |= {"find_long_runs", "find_private_keys", "find_url_passwords", "find_webhooks", "find_azure_secrets"}
    assert {finder.__name__ for finder in FINDERS} == known


@pytest.mark.parametrize("digits", ["1234", "12 34", "1-2-3-4", "A1B2C3D4", "(12) 34", "12/34", "12, 34", "AB12 cd34", "12_-_34", "1_.2ab3x4"])
def test_digits_enough_for_a_row_of_the_table_are_looked_at(digits: str) -> None:
    """The finder of numbers opens no window without four digits, whatever the row."""
    assert PlainText([], []).ready("", f"so {digits} there ", clean=True) == -1


def test_every_name_of_a_credential_has_a_stem_and_its_value_is_in_reach() -> None:
    names = [*assignments._STRONG, *assignments._WEAK, *assignments._SCHEMES]
    assert [name for name in names if not any(stem in name.decode() for stem in (*STEMS, "basic"))] == []
    widths = importlib.import_module("re._parser")
    widest = max(widths.parse(pattern.pattern).getwidth()[1] for pattern in (assignments._LINK, assignments._OPTION))
    assert widest + max(map(len, names)) <= REACH < CONTEXT


@pytest.mark.parametrize(
    "text",
    [
        *(needle.decode() for needle, _ in secrets._WEBHOOKS if needle != b"hook."),
        "-----BEGIN ", "https://u:p@h.example", "a" * 15, "abc8Q~", "GB82 WEST", "::1", "fe80::", "00:1A:2B:3C", "aa-bb-cc-dd", "abcd.ef01.2345", "10.0",
        "1\uff12\uff13\uff14", "x\ty", "a\\nb", "bearer", "Password", "j\uff20example",
    ],
)  # fmt: skip
def test_what_every_value_of_a_finder_holds_is_looked_at(text: str) -> None:
    assert PlainText([], []).ready("", f"it is {text} so ", clean=True) == -1


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Step 01: the invoice was checked. ", ""),
        ("Sure, here is how I would go ab", "ab"),
        ("that was a ", "a "),
        ("we met 12 people and that was about 7 years ag", "ag"),
        ("well \u2013 it\u2019s \u201cfine\u201d, they said; (or so) and/or not\u2026 yes", "yes"),
    ],
)
def test_prose_passes_but_for_what_may_go_on(text: str, left: str) -> None:
    cut = PlainText([], ["bluebird"]).ready("", text, clean=True)
    assert text[cut:] == left


@pytest.mark.parametrize(("words", "text"), [(["red falcon"], "the red f"), (["Straße"], "in der STRASSE "), (["c++"], "in C++ "), (["Zürich"], "zürich, ")])
def test_a_tenants_word_is_looked_at(words: list[str], text: str) -> None:
    assert PlainText([], words).ready("", text, clean=True) == -1


def test_words_that_begin_with_a_sign_and_patterns_that_need_nothing_rule_the_quick_way_out() -> None:
    assert not PlainText([], ["#project"]).possible
    assert not Engine(ScanOptions(patterns={"NAME": "[a-z]{3}x"})).plain.possible


def test_one_character_alone_becomes_a_letter_when_its_case_is_folded() -> None:
    odd = [c for c in map(chr, range(sys.maxunicode + 1)) if not (c.isalnum() or c == "_") and any(d.isalnum() for d in c.casefold())]
    assert odd == ["\u0345"]


def test_a_stem_is_remembered_as_far_as_its_value_may_lie() -> None:
    plain = PlainText([], [])
    assert plain.ready("the password is " + "x " * 20, "lovely ", clean=False) == -1
    assert plain.ready("the password is " + "x " * 60, "lovely ", clean=False) == 7
    assert plain.ready("of the pass", "word ", clean=True) == -1


PIECES = st.sampled_from(
    [
        " ", ".", "\n", "-", '"', "'", "=", ":", ",", "(", "+", "\\n", "the ", "to AB ", "12", "2017", "4111 1111 ", "jane", "@", "example.com", "password",
        "api_key", "secret: ", "hunter2X!", "GB82 WEST 1234 5698 7654 32", "E-123456", "TK77", "red ", "falcon", "ssn ", "078051123", " office", "x12", "::1",
        "https://u:", "é", "\U0001f600", "a", "I", "AB", " May ", "January ", " ext", " x", "that ", "with ", "invoice ", "checked. ", "1", "3", "2nd ", "/",
        "\u2013", "\u2019", "\t", "\u0663", "bluebird", "Red", "\u017f", "ZÜRICH", "call 0", "ip ", "my key is ", "the password is ", "abcdefgh",
        "'correcthorse'", "--token ", "Strasse", "c++",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ENGINES), st.lists(PIECES, min_size=1, max_size=30), st.sampled_from([1, 3, 8, 20, 40]))
def test_texts_put_together_at_random_pass_only_where_the_engine_finds_nothing(engine: Engine, parts: list[str], size: int) -> None:
    text = "".join(parts)
    assert agrees(engine, [text[at : at + size] for at in range(0, len(text), size)]) <= len(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ENGINES), st.text(alphabet="0 aA.b,-xe /:\n", max_size=80), st.sampled_from([1, 5, 20]))
def test_noise_passes_only_where_the_engine_finds_nothing(engine: Engine, text: str, size: int) -> None:
    assert agrees(engine, [text[at : at + size] for at in range(0, len(text), size)]) <= len(text)


@pytest.mark.parametrize("size", [5, 35])
def test_most_of_what_prose_comes_in_passes(size: int) -> None:
    text = "Sure, here is how I would go about that: first look at the structure of the project, then decide what to keep. Step 02: the rest. " * 5
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert agrees(ENGINES[0], pieces) > 0.8 * len(pieces)


def sure_of(engine: Engine, context: str, text: str) -> bool:
    """Whether a whole text is told to hold nothing, which must then be so."""
    if not engine.plain.nothing_in(context, text):
        return False
    assert engine.examine(context + text, base=len(context), final=True, resume=engine.start_places(len(context))).accepted == []
    return True


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("context", ["", '"password": "', '"ssn": "', '"phone": "'])
def test_whole_texts_are_told_to_hold_nothing_only_where_the_engine_finds_nothing(engine: Engine, context: str) -> None:
    told = [sure_of(engine, context, text[:LONGEST]) for text in CORPUS]
    assert any(told) == ("pass" not in context)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ENGINES), st.sampled_from(["", '"token": "', '"account": "', '"note": "']), st.lists(PIECES, min_size=1, max_size=12))
def test_texts_put_together_at_random_are_told_to_hold_nothing_only_where_that_is_so(engine: Engine, context: str, parts: list[str]) -> None:
    assert sure_of(engine, context, "".join(parts)) in {True, False}
