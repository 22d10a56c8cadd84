from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration.problems import SettingsError
from gateway.configuration.source import MAX_BYTES, Document, at


def read(folder: Path, text: str | bytes) -> Document:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Document(path)


def test_values_keep_the_line_that_they_stand_on(tmp_path: Path) -> None:
    document = read(tmp_path, "a:\n  b:\n    - x\n    - y\n\nc: 1\n")
    assert document.data == {"a": {"b": ("x", "y")}, "c": 1}
    assert [document.line(where) for where in (("a",), ("a", "b"), ("a", "b", 1), ("c",), ("a", "missing"), ("nothing",))] == [1, 2, 4, 6, 1, 1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0123", "0123"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2026-01-02", "2026-01-02"),
        ("'12'", "12"),
        ("9" * 30, "9" * 30),
    ],
)
def test_scalars_are_read_without_surprises(tmp_path: Path, text: str, value: object) -> None:
    found = read(tmp_path, f"a: {text}\n").data["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "3: a: stands here twice, first on line 1"),
        ("a: !secret x\n", "1: a: YAML tags are not taken"),
        ("a: !!binary eA==\n", "1: a: YAML tags are not taken"),
        ("a: &x {k: 1}\nb:\n  <<: *x\n", "3: b: keys must be plain text; merge keys and tags are not taken"),
        ("? [a]\n: 1\n", "1: keys must be plain text; merge keys and tags are not taken"),
    ],
)
def test_what_yaml_can_say_and_a_config_must_not_is_a_problem(tmp_path: Path, text: str, expected: str) -> None:
    assert [str(problem).partition("config.yaml:")[2] for problem in read(tmp_path, text).problems] == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1\nb: 2\n", "2: is not valid YAML"),
        ("a: 'x\n", "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML"),
        ("", "1: is empty or not a mapping"),
        ("- a\n", "1: is empty or not a mapping"),
        (b"a: 1\nb: \xff\n", "2: is not UTF-8"),
        ("a: \x07\n", "is not valid YAML"),
        (b"x" * (MAX_BYTES + 1), "is larger than"),
        ("a: &a [*a]\n", "is nested too deeply or repeats itself without end"),
        ("a: " + "[" * 40 + "]" * 40, "is nested too deeply or repeats itself without end"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcdef", "bcdefg", strict=True)),
            "repeats itself",
        ),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_cannot_be_read_stops_at_once(tmp_path: Path, text: str | bytes, expected: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    assert expected in str(refused.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path, expected in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "cannot be read: Is a directory")):
        with pytest.raises(SettingsError, match=expected):
            Document(path)


@given(st.one_of(st.binary(max_size=200), st.text(alphabet="ab:-[]{}&*!?|>'\"#%@ \n\t1.~<", max_size=80).map(str.encode)))
def test_any_bytes_are_a_document_or_a_settings_error(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(raw)
    try:
        outcome: object = Document(path).data
    except SettingsError as error:
        outcome = error.problems
    assert isinstance(outcome, dict) or outcome


def test_a_value_is_found_by_its_path_through_mappings_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: {b: [x, {c: y}]}\n")
    document = Document(path)
    assert [at(document, where) for where in [("a", "b", 0), ("a", "b", 1, "c"), ("a", "b", 2), ("a", 0), ("a", "b", "c")]] == ["x", "y", None, None, None]
