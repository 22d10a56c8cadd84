from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.redaction.json_pieces import JsonPieces
from gateway.capabilities.redaction.pieces import Kind, Piece
from gateway.capabilities.redaction.placeholders import Vault
from gateway.capabilities.redaction.scanning import WholeSegments
from gateway.capabilities.redaction.views import Renderer, View
from gateway.domain import Destination, Finding, Obligations

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
CUT = st.lists(st.integers(0, 80), max_size=4)


def scan(text: str, *, key: str | None = None) -> tuple[Finding, ...]:
    if key == "ssn" and text.isdigit():
        return (Finding("US_SSN", 0, len(text)),)
    return tuple(Finding("WORD", match.start(), match.end()) for match in re.finditer("canary", text))


def stream() -> JsonPieces:
    return JsonPieces(lambda key: WholeSegments(scan, key), scan)


def pieces(text: str, cuts: list[int] | None = None) -> list[Piece]:
    one, position, made = stream(), 0, []
    for cut in sorted(cuts or []):
        made += one.push(text[position:cut])
        position = max(position, cut)
    return [*made, *one.push(text[position:]), *one.finish()]


def shown(text: str, cuts: list[int] | None = None) -> str:
    view = View(Vault(b"k", frozenset), Obligations(), Destination.CALLER)
    return Renderer(view, json=True).render(pieces(text, cuts))


@given(JSON_VALUES, st.booleans(), st.sampled_from([None, 1]), CUT)
def test_json_without_findings_means_the_same_afterwards(value: Any, ascii_only: bool, indent: int | None, cuts: list[int]) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert json.loads(shown(text, cuts)) == value


@given(JSON_VALUES)
def test_json_as_models_write_it_stays_as_it_is(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if "\x7f" not in text and not any("\ud800" <= char <= "\udfff" for char in text):
        assert shown(text) == text


@given(st.text(alphabet='{}[]",:\\ u0189abtrue-eE.\n@\ud83d') | JSON_VALUES.map(json.dumps), CUT)
def test_any_text_is_shown_the_same_however_it_is_split(text: str, cuts: list[int]) -> None:
    assert shown(text, cuts) == shown(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"\ud83d\ude00"', '"\U0001f600"'),
        (r'"\ud83d"', r'"\ud83d"'),
        (r'"\ude00\ud83dx"', r'"\ude00\ud83dx"'),
        (r'"\ud83d\n"', r'"\ud83d\n"'),
        (r'"\/\u00e9\u003c"', '"/é<"'),
        (r'"\alpha \u12g4"', r'"\\alpha \\u12g4"'),
        ('"a\nb"', r'"a\nb"'),
        (r'{"a": "x\\', r'{"a": "x\\'),
        (r'{"a": "x' + "\\", r'{"a": "x' + "\\"),
        (r'{"a": "\u12', r'{"a": "\u12'),
        (r'{"a": tru', r'{"a": tru'),
        ('{"a": canary}', None),
        ('{"a": "ca', '{"a": "ca'),
        ('{"a": 1} canary', None),
        ("[1}canary", None),
        ("", ""),
    ],
)
def test_what_models_get_wrong_passes_without_leaking(text: str, expected: str | None) -> None:
    for cut in range(len(text) + 1):
        result = shown(text, [cut])
        assert "canary" not in result
        assert expected is None or result == expected


@pytest.mark.parametrize(
    "text", [r'{"k": "c\u0061nary"}', r'{"c\u0061nary": 1}', '["canary"]', '{"a": {"b": ["x canary"]}}', 'no json: canary "canary', '"canary']
)
def test_a_value_is_found_wherever_it_stands_and_however_it_is_escaped(text: str) -> None:
    for cut in range(len(text) + 1):
        result = shown(text, [cut])
        assert "canary" not in result
        assert "nary" not in result


@pytest.mark.parametrize(
    "text", ['{"ssn": "123456789"}', '{"ssn": 123456789}', '{"ssn": ["x", {"b": [1]}, 123456789]}', r'{"s\u0073n": 123456789}', '{"ssn":123456789,"a":1}']
)
def test_the_key_is_the_cue_for_strings_and_for_numbers_in_its_value(text: str) -> None:
    for cut in range(len(text) + 1):
        result = shown(text, [cut])
        assert "123456789" not in result
        assert "US_SSN" in json.dumps(json.loads(result))


@pytest.mark.parametrize("text", ['{"a": {"ssn": 1}, "b": 123456789}', '{"ssn": {"a": "123456789"}}', '{"a": "ssn", "b": "123456789"}'])
def test_a_key_is_no_cue_beyond_its_value(text: str) -> None:
    assert "123456789" in shown(text)


@given(JSON_VALUES)
def test_every_beginning_that_is_shown_could_be_the_beginning_of_json(value: Any) -> None:
    text = json.dumps({"a": value, "ssn": 123456789})
    view = View(Vault(b"k", frozenset), Obligations(), Destination.CALLER)
    renderer, one, emitted = Renderer(view, json=True), stream(), ""
    for char in text:
        emitted += renderer.render(one.push(char))
        assert "123456789" not in emitted
    whole = emitted + renderer.render(one.finish())
    assert whole == shown(text)
    assert whole.startswith(emitted)


def test_depth_and_length_are_no_limit() -> None:
    text = "[" * 100_000 + "9" * 1000
    assert shown(text) == text
    assert [piece.kind for piece in pieces('"' + "x" * 100_000 + '"')] == [Kind.RAW, Kind.TEXT, Kind.END, Kind.RAW, Kind.END]
