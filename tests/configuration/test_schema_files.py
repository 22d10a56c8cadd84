from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configuration.schema_files import MAX_BYTES, as_json, read_schemas
from gateway.configuration.source import Document


def document(folder: Path, text: str, schema: bytes | None = None) -> Document:
    config = folder / "config.yaml"
    config.write_text(text)
    if schema is not None:
        (folder / "order.json").write_bytes(schema)
    return Document(config)


def test_schemas_stand_in_the_config_or_beside_it(tmp_path: Path) -> None:
    found = document(tmp_path, "schemas:\n  a: {enum: [no, 1, null]}\n  b: order.json\n", b'{"type": "object"}')
    assert read_schemas(found) == {"a": {"enum": ["no", 1, None]}, "b": {"type": "object"}}
    assert found.problems == []


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (None, "order.json: no such file"),
        (b'{\n  "type": object\n}', "order.json:2:11: is not JSON: Expecting value"),
        (b'{\n"a": "\xff"}', "order.json:2: is not UTF-8"),
        (b"[1]", "order.json:1: must hold an object, which is what a schema of the config is"),
        (b'{"a": 1, "a": 2}', "order.json: has the key 'a' twice in one object"),
        (b'{"a": NaN}', "order.json: has NaN, which is not JSON"),
        (b'{"a":' * 100_000, "order.json: is nested too deeply"),
        (b" " * (MAX_BYTES + 1), "order.json: is larger than 1048576 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_line_that_names_it(tmp_path: Path, schema: bytes | None, said: str) -> None:
    found = document(tmp_path, "schemas:\n  good: {}\n  order: order.json\n", schema)
    assert read_schemas(found) == {"good": {}}
    assert [(problem.line, problem.where, problem.what) for problem in found.problems] == [(3, "schemas.order", said)]


def test_a_folder_is_no_schema(tmp_path: Path) -> None:
    found = document(tmp_path, "schemas: {x: .}\n")
    assert read_schemas(found) == {}
    assert [problem.what for problem in found.problems] == [".: cannot be read: Is a directory"]


@pytest.mark.parametrize("text", ["schemas: 5\n", "schemas: [a]\n", "schemas: {a: 5, b: [x], c: '', d: \"a\\0\"}\n"])
def test_what_has_no_right_shape_is_left_to_the_shape(tmp_path: Path, text: str) -> None:
    found = document(tmp_path, text)
    assert (read_schemas(found), found.problems) == ({}, [])


def test_a_value_of_the_config_becomes_json_at_every_depth() -> None:
    assert as_json({"a": ({"b": (1, ())}, "x")}) == {"a": [{"b": [1, []]}, "x"]}
