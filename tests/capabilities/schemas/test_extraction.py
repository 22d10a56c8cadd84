from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.schemas.extraction import extract, parse

OBJECT = '{"a": [1, "}"]}'


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{OBJECT}\n```",
        f"```\n{OBJECT}\n```",
        f"```JSON5 something\r\n{OBJECT}\r\n```\r\n",
        f"Sure, here it is:\n\n```json\n{OBJECT}\n```\nAnything else?",
        f"```json\n{OBJECT}",
        f"  ```json\n  {OBJECT}\n  ```",
        f"```json {OBJECT}```",
        f"```python\nprint(1)\n```\nand\n```json\n{OBJECT}\n```",
        f"Instead of [1] or {{}}:\n```json\n{OBJECT}\n```",
        f"Here: {OBJECT}",
        f"{OBJECT} is what you asked for.",
        f"{OBJECT},",
        f"\ufeff{OBJECT}",
        f"\u00a0{OBJECT}",
        f"As [the docs](https://example.com/{{id}}) say: {OBJECT}",
        f"{OBJECT}\n{OBJECT}",
        f"```json\n{OBJECT}\n```\n```json\n{OBJECT}\n```",
        f'He said "so {{be}} it": {OBJECT}',
    ],
)
def test_the_one_value_that_stands_among_other_things_is_found(text: str) -> None:
    found = extract(text)
    assert found is not None
    assert found.text == OBJECT
    assert found.value == {"a": [1, "}"]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON at all",
        "42 is the answer",
        'the answer is "yes"',
        '{"a": 1} or {"a": 2}',
        '{"a": 1}\n{"b": 2}',
        'Item [1] says {"a": 1}',
        '```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```',
        '{"items": [1, 2, 3], "x": "cut off',
        '{"items": [1, 2, 3], "x": ',
        '[{"a": 1}, {"a": 2',
        "{'a': {\"b\": 1}}",
        "{'a': [1, 2]}",
        "['x', {\"a\": 1}]",
        "function() { return [1] }",
        '{"a": NaN}',
        '{"a": Infinity} or so',
        '{"a": "\\ud800"} or so',
        '{"a": 1e999} or so',
        'Here: {"a": ' + "1" * 5_000 + "}",
        '{"a": 1,}',
        "\ud800 " + OBJECT + ' {"b": 1}',
    ],
)
def test_nothing_is_made_of_several_values_or_of_parts_of_a_broken_one(text: str) -> None:
    assert extract(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [('{"a": 1, "a": 2}', {"a": 2}), ("1.0", 1.0), ("100000000000000000000000", 1e23), (' "x"\r\n', "x"), ("-0", 0), ("null", None)]
)
def test_json_is_read_as_documented(text: str, value: object) -> None:
    found = parse(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "text", ["NaN", "-Infinity", "1e999", '"\\ud800"', '"\ud800"', "01", "'a'", "{a: 1}", "// x\n1", "[1,]", "\ufeff1", "[" * 2_000 + "]" * 2_000]
)
def test_what_only_looks_like_json_is_not(text: str) -> None:
    assert parse(text) is None


PROSE = st.text(alphabet=st.characters(blacklist_characters="{}[]`", blacklist_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CONTAINERS = st.lists(VALUES, max_size=4) | st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


@given(value=CONTAINERS, before=PROSE, after=PROSE, indent=st.booleans())
def test_an_object_or_array_between_words_is_found_whatever_is_in_it(value: object, before: str, after: str, indent: bool) -> None:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0).decode()
    found = extract(f"{before} {text} {after}")
    assert found is not None
    assert found.value == value


@given(value=VALUES, before=PROSE, after=PROSE)
def test_any_value_in_a_fence_is_found_whatever_is_in_it(value: object, before: str, after: str) -> None:
    text = orjson.dumps(value).decode()
    found = extract(f"{before}\n```json\n{text}\n```\n{after}") if not _is_json(f"{before}{after}") else parse(text)
    assert found is not None
    assert found.value == value


def _is_json(text: str) -> bool:
    return parse(text) is not None


@given(value=CONTAINERS, cut=st.floats(0, 1, exclude_max=True))
def test_a_part_of_a_value_is_never_taken_for_the_whole(value: object, cut: float) -> None:
    text = orjson.dumps(value).decode()
    assert extract("Here: " + text[: int(len(text) * cut)]) is None


@given(st.text(alphabet='{}[]"`\\:,1a \n', max_size=60))
def test_whatever_is_found_is_json_and_stands_in_the_text(text: str) -> None:
    found = extract(text)
    assert found is None or (found.text in text and orjson.loads(found.text) == found.value)
