from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.capabilities.schemas.model import PATTERN_BYTES, SchemaProblem
from gateway.capabilities.schemas.registry import KEPT_BYTES, Schemas

SCHEMAS = Schemas()
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"


def nested(key: str, levels: int) -> Any:
    schema: Any = True
    for _ in range(levels):
        schema = {key: schema}
    return schema


PROBLEMS: list[tuple[Any, str, str]] = [
    ([], "", "a schema is an object, true or false"),
    (None, "", "a schema is an object, true or false"),
    ("x", "", "a schema is an object, true or false"),
    ({1: 2}, "", "is not JSON"),
    ({"minimum": 2**70}, "", "is not JSON"),
    ({"title": "\ud800"}, "", "is not JSON"),
    ({"enum": list(range(1_000_000))}, "", "bytes as JSON"),
    ({"enum": list(range(20_000))}, "", "has over 10000 values"),
    (nested("not", 100), "/not" * 65, "nests over 64 levels"),
    (nested("not", 5_000), "", "nests too deeply"),
    ({"$schema": "http://json-schema.org/draft-04/schema#"}, "/$schema", "names a dialect"),
    ({"$schema": 7}, "/$schema", "names a dialect"),
    ({"not": {"$schema": DRAFT_7}}, "/not/$schema", "stands below the root"),
    ({"minimum": float("nan")}, "/minimum", "has to be of type number"),
    ({"properties": {"a/b": {"type": "strin"}}}, "/properties/a~1b/type", "is none of what can stand there"),
    ({"$schema": DRAFT_2019, "type": "strin"}, "/type", "is none of what can stand there"),
    ({"$schema": DRAFT_7, "properties": 1}, "/properties", "has to be of type object"),
    ({"minLength": -1}, "/minLength", "has to be at least 0"),
    ({"multipleOf": 0}, "/multipleOf", "has to be over 0"),
    ({"required": ["a", "a"]}, "/required", "has a value twice"),
    ({"type": [*range(2_000), *map(str, range(2_000))]}, "/type", "is none of what can stand there"),
    ({"allOf": []}, "/allOf", "needs at least 1 items"),
    ({"$ref": "#"}, "/$ref", "leads back to the schema itself"),
    ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}, "/$defs/b/anyOf/0/$ref", "leads back"),
    ({"$dynamicAnchor": "x", "not": {"$dynamicRef": "#x"}}, "", "leads back"),
    ({"$schema": DRAFT_2019, "if": {"$recursiveRef": "#"}}, "", "leads back"),
    ({"dependentSchemas": {"a": {"$ref": "#"}}}, "", "leads back"),
    ({"$defs": {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(80)} | {"a80": {}}}, "/$defs/a16", "over 64 schemas"),
    ({"$ref": "#/nope"}, "/$ref", "does not exist"),
    ({"$ref": "#nope"}, "/$ref", "no $anchor gives"),
    ({"$ref": "#/allOf", "allOf": [{}]}, "/$ref", "is not a schema"),
    ({"$ref": "#/allOf/٣", "allOf": [{}]}, "/$ref", "does not exist"),
    ({"$ref": "#/properties", "properties": {"const": {}}}, "/$ref", "is not a schema"),
    ({"$ref": "#/enum/0", "enum": [{"type": "string"}]}, "/enum/0", "referred to as a schema"),
    ({"allOf": [{"$ref": "#/x/properties"}, {"$ref": "#/x"}], "x": {"properties": {"const": {}}}}, "/x/properties", "referred to as a schema"),
    ({"$ref": "#/components/a", "components": {"a": {"type": 1}}}, "/components/a/type", "is none of what can stand there"),
    ({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}, "/$defs/b/$anchor", "stands at another place too"),
    ({"$defs": {"a": {"$id": "http://192.0.2.1/x"}}}, "/$defs/a/$id", "stands below the root"),
    ({"properties": {"a": {"pattern": "(?=x)"}}}, "/properties/a/pattern", "google-re2 cannot run the pattern"),
    ({"patternProperties": {"(?<!x)": {}}}, "/patternProperties/(?<!x)", "google-re2 cannot run the pattern"),
    ({"propertyNames": {"pattern": r"(a)\1"}}, "/propertyNames/pattern", "google-re2 cannot run the pattern"),
    ({"pattern": "a" * 3_000}, "/pattern", "over 2000 characters"),
    ({"patternProperties": {f"a{i}": {} for i in range(600)}}, "", "is one of over 500 patterns"),
    ({"properties": {"k" * 10_000: {"type": 1}}}, "/properties/" + "k" * 388 + "...", "is none of"),
]


@pytest.mark.parametrize(("schema", "where", "what"), PROBLEMS, ids=[f"{number}-{what[:30]}" for number, (_, _, what) in enumerate(PROBLEMS)])
def test_a_schema_that_cannot_be_used_is_told_where_and_why(schema: Any, where: str, what: str) -> None:
    with pytest.raises(SchemaProblem) as told:
        SCHEMAS.compile(schema)
    assert what in told.value.what
    assert told.value.where == where or (not where and told.value.where.startswith("/"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("dialect", [DRAFT_7, DRAFT_2019, "https://json-schema.org/draft/2020-12/schema"])
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "URL"},
        {"$ref": "URL#/a"},
        {"$id": "URL", "$ref": "other"},
        {"$id": "URL", "allOf": [{"$ref": "other#/a"}]},
        {"$id": "URL", "$defs": {"a": {"$id": "b", "$ref": "#/c"}}},
        {"properties": {"a": {"items": {"$ref": "URL"}}}},
        {"$defs": {"a": {"$schema": "URL"}}},
    ],
)
def test_nothing_is_fetched_for_a_reference(schema: Any, dialect: str, listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/schema"
    with pytest.raises(SchemaProblem):
        SCHEMAS.compile(orjson.loads(orjson.dumps({"$schema": dialect} | schema).replace(b"URL", url.encode())))
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_schema_with_an_address_is_checked_without_it(listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/schema"
    schema = SCHEMAS.compile({"$id": url, "$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"})
    assert schema.check('"x"').failures == ()
    assert [failure.where for failure in schema.check("1").failures] == ["/$defs/a/type"]
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_schema_is_compiled_once_whatever_the_order_of_its_keys() -> None:
    first = SCHEMAS.compile({"type": "object", "required": ["a"]})
    assert SCHEMAS.compile({"required": ["a"], "type": "object"}) is first
    assert list(first.document) == ["type", "required"]
    assert len(first.digest) == 64


def test_the_schemas_true_and_false_have_documents_that_mean_the_same() -> None:
    assert (SCHEMAS.compile(True).document, SCHEMAS.compile(False).document) == ({}, {"not": {}})


def test_a_problem_is_remembered_and_told_anew() -> None:
    problems = []
    for _ in range(2):
        with pytest.raises(SchemaProblem) as told:
            SCHEMAS.compile({"type": "x"})
        problems.append(told.value)
    assert problems[0] is not problems[1]
    assert (problems[0].where, problems[0].what) == (problems[1].where, problems[1].what)


def test_the_oldest_schemas_are_forgotten_first() -> None:
    schemas = Schemas(entries=2)
    first, second = schemas.compile({"minimum": 1}), schemas.compile({"minimum": 2})
    assert schemas.compile({"minimum": 1}) is first
    schemas.compile({"minimum": 3})
    assert schemas.compile({"minimum": 1}) is first
    assert schemas.compile({"minimum": 2}) is not second


def test_large_schemas_are_forgotten_before_there_are_many() -> None:
    schemas = Schemas()
    size = 250_000
    for number in range(KEPT_BYTES // size + 2):
        schemas.compile({"description": f"{number:0{size}}"})
    assert schemas._bytes <= KEPT_BYTES
    assert 0 < len(schemas._kept) <= KEPT_BYTES // size


def test_a_compiled_schema_does_not_change_with_what_it_came_from() -> None:
    source = {"type": "object", "properties": {"a": {"enum": [1]}}}
    schema = SCHEMAS.compile(source)
    source["properties"] = {}
    assert schema.check('{"a": 2}').failures
    assert schema.document["properties"] == {"a": {"enum": [1]}}


def test_warming_up_leaves_nothing_to_import() -> None:
    schemas = Schemas()
    schemas.warm()
    assert schemas.compile(True).check("1").failures == ()


def with_patterns(count: int, letter: str, times: int) -> dict[str, Any]:
    return {"anyOf": [{"pattern": f"[\\u0100-\\uff0f{letter}{number}]{{{times}}}"} for number in range(count)]}


def test_patterns_of_a_schema_are_bounded_by_the_memory_that_they_take() -> None:
    with pytest.raises(SchemaProblem, match="memory") as problem:
        Schemas().compile(with_patterns(100, "x", 1_000))
    assert problem.value.where == "/anyOf/32/pattern"
    assert Schemas().compile(with_patterns(32, "x", 1_000)).pattern_bytes == PATTERN_BYTES
    assert Schemas().compile(with_patterns(400, "x", 10)).pattern_bytes < PATTERN_BYTES


def test_what_is_remembered_is_bounded_by_the_memory_of_patterns_too() -> None:
    schemas = Schemas()
    for letter in "abcdefgh":
        schemas.compile(with_patterns(30, letter, 1_000))
    assert schemas._bytes <= KEPT_BYTES
    assert len(schemas._kept) == 5
