"""The data document means the same to every reader of YAML."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.data_document import merge, read_json, read_yaml
from gateway.capabilities.policy.problems import Problem

texts = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=8)
leaves = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | texts
documents = st.dictionaries(texts, st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner), max_leaves=10))


@given(documents)
def test_json_is_read_as_json(document: dict[str, Any]) -> None:
    problems: list[Problem] = []
    assert read_yaml("data.yaml", json.dumps(document, ensure_ascii=False), problems) == document
    assert problems == []


@given(documents)
def test_what_a_yaml_writer_writes_is_read_back_or_refused(document: dict[str, Any]) -> None:
    problems: list[Problem] = []
    read = read_yaml("data.yaml", yaml.safe_dump(document, allow_unicode=True), problems)
    assert problems or read == document


@pytest.mark.parametrize(
    "value",
    ["yes", "No", "on", "OFF", "y", "012", "0x1F", "0o17", "1_000", "12:30:00", "2026-01-01", "2026-01-01T00:00:00Z",
     "1e3", ".5", "+1", ".inf", ".nan", "~", "",
     "True", "NULL", "!!binary aGk=", "!!set {a, b}", "!x 1", "=", "1.", "99999999999999999999"],
)  # fmt: skip
def test_what_readers_disagree_on_must_be_quoted(value: str) -> None:
    problems: list[Problem] = []
    read_yaml("data.yaml", f"a:\n  - {value}\n", problems)
    assert {(problem.file, problem.line) for problem in problems} == {("data.yaml", 2)}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\na: 2\n", 2, "twice"),
        ("1: a\n", 1, "a key must be text"),
        ("a: &x 1\nb: *x\n", 1, "aliases"),
        ("a: b: c\n", 1, "not YAML"),
        ("a: '\x85'\n", 1, "ends lines"),
        ('a: "\\ud800"\n', 1, "invalid Unicode"),
        ("a: " + "[" * 40 + "]" * 40, 1, "nested deeper"),
    ],
)
def test_other_slips_are_named_with_their_line(text: str, line: int, what: str) -> None:
    problems: list[Problem] = []
    read_yaml("data.yaml", text, problems)
    assert problems
    assert problems[0].line == line
    assert what in problems[0].what


def test_quoted_values_are_text_and_plain_ones_what_they_look_like() -> None:
    problems: list[Problem] = []
    read = read_yaml("data.yaml", "a: 'no'\nb: \"1\"\nc: 1\nd: 1.5\ne: true\nf: null\ng: NO1\nh: |\n  1\n", problems)
    assert problems == []
    assert read == {"a": "no", "b": "1", "c": 1, "d": 1.5, "e": True, "f": None, "g": "NO1", "h": "1\n"}
    assert [type(value) for value in read.values()] == [str, str, int, float, bool, type(None), str, str]


def test_files_of_folders_are_put_below_their_names() -> None:
    problems: list[Problem] = []
    data: dict[str, Any] = {}
    merge(data, (), {"a": 1}, "data.yaml", problems)
    merge(data, ("b", "c"), {"d": 2}, "b/c/data.yaml", problems)
    assert (data, problems) == ({"a": 1, "b": {"c": {"d": 2}}}, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2.50, true, null, "x"], "b": {}}', {"a": [1, -2.5, True, None, "x"], "b": {}}),
        ('{"a": 1.2e-7, "b": 1e-07}', {"a": 1.2e-7, "b": 1e-7}),
        ('{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ("{}", {}),
    ],
)
def test_json_is_read_as_it_stands(text: str, value: object) -> None:
    problems: list[Problem] = []
    assert (read_json("data.json", text, problems), problems) == (value, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "data.json:1:1: not JSON"),
        ('{\n"a": x}', "data.json:2:6: not JSON"),
        ("[1]", "must hold an object"),
        ("null", "or nothing"),
        ('{"a": 1, "a": 1}', "twice"),
        ('{"b": {"a": 1, "\\u0061": 1}}', "twice"),
        ('{"a": 1234567890123456789}', "more than 18 digits"),
        ('{"a": 1E5}', "exponent"),
        ('{"a": 1.1234567890123456}', "15 digits"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"a": ' * 40 + "1" + "}" * 40, "nested deeper"),
        ("[" * 200_000, "nested deeper"),
    ],
)
def test_what_readers_of_json_do_not_agree_on_is_a_problem(text: str, said: str) -> None:
    problems: list[Problem] = []
    assert read_json("data.json", text, problems) == {}
    assert said in str(problems[0])


@given(st.recursive(st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_every_plain_value_comes_back_from_json_as_it_was(value: object) -> None:
    problems: list[Problem] = []
    found = read_json("data.json", json.dumps({"value": value}), problems)
    assert found == {"value": value} or problems


@given(st.text(st.sampled_from('{}[]",:\\0123456789.eE+-truefalsn \n\ud800\u2028')))
def test_any_text_is_an_object_or_a_problem(text: str) -> None:
    problems: list[Problem] = []
    assert read_json("data.json", text, problems) or problems or json.loads(text) == {}
