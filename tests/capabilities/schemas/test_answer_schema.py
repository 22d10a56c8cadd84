from __future__ import annotations

from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capabilities.schemas.model import Checked, Failure
from gateway.capabilities.schemas.registry import Schemas
from gateway.capabilities.schemas.repair import repair_message

SCHEMAS = Schemas()
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "email": {"type": "string", "format": "email"},
        "code": {"pattern": "^[A-Z]{3}-[0-9]+$"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def check(schema: Any, text: str) -> Checked:
    return SCHEMAS.compile(schema).check(text)


@pytest.mark.parametrize(
    ("schema", "text", "failures"),
    [
        (PERSON, '{"name": "Ada", "email": "ada@example.com", "code": "ABC-1", "tags": ["x"]}', []),
        (PERSON, "{}", [("/required", "required")]),
        (PERSON, "[]", [("/type", "type")]),
        (PERSON, '{"name": "Ada", "zebra": 1}', [("/additionalProperties", "additionalProperties")]),
        (PERSON, '{"name": "", "email": "x", "code": "x"}', ["/properties/code/pattern", "/properties/email/format", "/properties/name/minLength"]),
        (PERSON, '{"name": "Ada", "tags": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}', [("/properties/tags/items/type", "type")]),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}, "1", [("/$defs/a~1b/type", "type")]),
        ({"$ref": "#/$defs/c%25d", "$defs": {"c%d": {"type": "string"}}}, "1", [("/$defs/c%d/type", "type")]),
        ({"$ref": "#here", "$defs": {"c": {"$anchor": "here", "type": "string"}}}, "1", [("/$defs/c/type", "type")]),
        ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, "1", [("/anyOf", "anyOf")]),
        ({"oneOf": [{"minimum": 0}, {"minimum": 1}]}, "5", [("/oneOf", "oneOf")]),
        ({"properties": {"a": False}}, '{"a": 1}', [("/properties/a", "false")]),
        (False, "1", [("", "false")]),
        (True, "1", []),
        ({"if": {"type": "string"}, "then": {"minLength": 3}}, '"x"', [("/then/minLength", "minLength")]),
        ({"$schema": DRAFT_2019, "properties": {"next": {"$recursiveRef": "#"}}, "required": ["v"]}, '{"v": 1, "next": {}}', [("/required", "required")]),
        ({"$schema": DRAFT_2019, "allOf": [{"properties": {"b": {}}}], "unevaluatedProperties": False}, '{"b": 1}', []),
        ({"$schema": DRAFT_2019, "allOf": [{"properties": {"b": {}}}], "unevaluatedProperties": False}, '{"c": 1}', ["/unevaluatedProperties"]),
        ({"$schema": DRAFT_2019, "items": [{}], "unevaluatedItems": {"type": "string"}}, '[1, "x", 2]', ["/unevaluatedItems"]),
        ({"$dynamicAnchor": "node", "items": {"$dynamicRef": "#node"}, "type": "array"}, "[[], [1]]", [("/type", "type")]),
        ({"$schema": DRAFT_7, "allOf": [{"$ref": "#here"}], "definitions": {"a": {"$id": "#here", "type": "string"}}}, "1", ["/definitions/a/type"]),
        ({"$schema": DRAFT_7, "properties": {"a": {"$ref": "#/definitions/b", "type": "string"}}, "definitions": {"b": {}}}, '{"a": 1}', []),
        ({"type": "string"}, "not JSON", [("", "json")]),
        ({"type": "string"}, "", [("", "json")]),
        ({}, "[" * 101 + "]" * 101, [("", "depth")]),
        ({}, "[" * 100 + "]" * 100, []),
        ({}, '"' + "[" * 200 + '"', []),
        ({}, '"' + "x" * 4_194_304 + '"', [("", "size")]),
        ({"items": {"type": "string"}}, "[" + "1," * 100_000 + "1]", [("/items/type", "type")]),
        ({"items": {"minimum": 0, "maximum": 2, "type": "number"}}, "[" + "1," * 100_000 + "1]", [("", "size")]),
    ],
)
def test_a_check_names_places_and_keywords_of_the_schema(schema: Any, text: str, failures: list[Any]) -> None:
    found = check(schema, text).failures
    assert [failure if isinstance(failure, tuple) else (failure, failure.rpartition("/")[2]) for failure in failures] == list(found)


def test_the_outermost_failures_come_first_and_ten_are_enough() -> None:
    schema = {"properties": {f"p{number}": {"type": "string"} for number in range(20)}, "required": ["q"]}
    failures = check(schema, orjson.dumps({f"p{number}": 1 for number in range(20)}).decode()).failures
    assert failures[0] == Failure("/required", "required")
    assert len(failures) == 10


def test_the_value_is_handed_on_whether_it_is_valid_or_not() -> None:
    assert check(PERSON, '{"name": 1}').value == {"name": 1}
    assert check(PERSON, "nothing").value is None


def test_json_in_a_fence_is_checked_and_said_to_be_extracted() -> None:
    checked = check(PERSON, 'Here you are:\n```json\n{"name": "Ada"}\n```\n')
    assert checked == Checked((), {"name": "Ada"}, '{"name": "Ada"}')
    assert check(PERSON, '  {"name": "Ada"}\n').extracted is None
    assert check(PERSON, '\ufeff{"name": "Ada"}').extracted == '{"name": "Ada"}'


def test_a_schema_that_applies_itself_below_is_followed_to_the_end() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert check(tree, '{"next":' * 99 + "{}" + "}" * 99).failures == ()
    assert check(tree, '{"next":' * 99 + "1" + "}" * 99).failures == (Failure("/type", "type"),)


def test_any_json_fits_a_schema_of_any_json_at_any_depth() -> None:
    kinds = [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "items": {"$ref": "#/$defs/any"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/any"}},
    ]
    schema = {"$defs": {"any": {"anyOf": kinds}}, "$ref": "#/$defs/any"}
    assert check(schema, '{"a":[' * 35 + "1" + "]}" * 35).failures == ()


KEYS = st.sampled_from(["a", "b", "ab", "c"])
SCALARS = st.sampled_from([None, True, False, 0, 1, 1.0, 2, 3, -1, 2.5, "", "a", "ab", "b"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8)
SMALL = st.integers(0, 3)


def merged(fragments: list[st.SearchStrategy[Any]], most: int) -> st.SearchStrategy[Any]:
    """A few of the fragments as one schema: with all of them, hardly a value would be valid."""
    return st.lists(st.one_of(fragments), min_size=1, max_size=most).map(lambda parts: {key: value for part in parts for key, value in part.items()})


def each(table: dict[str, st.SearchStrategy[Any]]) -> list[st.SearchStrategy[Any]]:
    return [st.fixed_dictionaries({keyword: values}) for keyword, values in table.items()]


TYPES = st.sampled_from(["string", "number", "integer", "object", "array", "boolean", "null"])
ASSERTIONS = each(
    {
        "type": TYPES | st.lists(TYPES, min_size=2, max_size=4, unique=True),
        "enum": st.lists(VALUES, min_size=2, max_size=5),
        "const": VALUES,
        "minimum": SMALL,
        "maximum": SMALL,
        "exclusiveMinimum": SMALL,
        "exclusiveMaximum": SMALL,
        "multipleOf": st.integers(1, 3),
        "minLength": SMALL,
        "maxLength": SMALL,
        "minItems": SMALL,
        "maxItems": SMALL,
        "minProperties": SMALL,
        "maxProperties": SMALL,
        "uniqueItems": st.booleans(),
        "required": st.lists(KEYS, max_size=2, unique=True),
        "pattern": st.sampled_from(["a", "^b", "a$", "."]),
    }
)


def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(KEYS, inner, max_size=2)
    applicators = each(
        {
            "allOf": some,
            "anyOf": some,
            "oneOf": some,
            "not": inner,
            "properties": named,
            "patternProperties": st.dictionaries(st.sampled_from(["a", "^b", "b$"]), inner, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "dependentRequired": st.dictionaries(KEYS, st.lists(KEYS, max_size=2, unique=True), max_size=2),
            "dependentSchemas": named,
            "dependencies": st.dictionaries(KEYS, inner | st.lists(KEYS, max_size=2, unique=True), max_size=2),
            "$ref": st.sampled_from(["#/$defs/x", "#/definitions/y"]),
        }
    )
    groups = [
        st.fixed_dictionaries({"if": inner}, optional={"then": inner, "else": inner}),
        st.fixed_dictionaries({"contains": inner}, optional={"minContains": SMALL, "maxContains": SMALL}),
        st.fixed_dictionaries({"items": some, "prefixItems": some}, optional={"additionalItems": inner}),
        st.fixed_dictionaries({"properties": named, "additionalProperties": inner}),
    ]
    return merged([*applicators, *groups, *groups, merged(ASSERTIONS, 2)], 3)


LEAF = st.booleans() | merged(ASSERTIONS, 2)
INNER = st.recursive(LEAF, larger, max_leaves=6)
DIALECTS = {
    "http://json-schema.org/draft-07/schema#": jsonschema.Draft7Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema.Draft201909Validator,
    "https://json-schema.org/draft/2020-12/schema": jsonschema.Draft202012Validator,
}


def normalised(schema: Any, dialect: str) -> Any:
    """``items`` as the dialect has it."""
    if isinstance(schema, list):
        return [normalised(inner, dialect) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: normalised(inner, dialect) for key, inner in schema.items()}
    if "2020" in dialect and isinstance(kept.get("items"), list):
        kept["items"] = kept["items"][0]
    if kept.get("items") is True or kept.get("items") is False:
        kept.pop("additionalItems", None)  # the library of comparison stumbles over it
    return kept


@settings(max_examples=250, deadline=None)
@given(schema=larger(INNER), x=LEAF, y=LEAF, values=st.lists(VALUES, min_size=1, max_size=4), dialect=st.sampled_from(sorted(DIALECTS)))
def test_what_is_valid_is_what_the_library_of_record_says_is_valid(schema: Any, x: Any, y: Any, values: list[Any], dialect: str) -> None:
    document = normalised({**schema, "$defs": {"x": x}, "definitions": {"y": y}}, dialect) | {"$schema": dialect}
    compiled, other = SCHEMAS.compile(document), DIALECTS[dialect](document)
    for value in values:
        checked = compiled.check(orjson.dumps(value).decode())
        assert (checked.failures == ()) == other.is_valid(value)


@settings(max_examples=150, deadline=None)
@given(
    schema=st.builds(lambda one, two: {**one, **two}, larger(larger(LEAF)), merged(each({"unevaluatedProperties": LEAF, "unevaluatedItems": LEAF}), 2)),
    x=larger(LEAF),
    values=st.lists(VALUES, min_size=1, max_size=4),
)
def test_what_is_left_unevaluated_is_what_the_library_of_record_says(schema: Any, x: Any, values: list[Any]) -> None:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    document = normalised({**schema, "$defs": {"x": x}, "definitions": {"y": {}}}, dialect)
    document["$defs"]["x"].pop("$ref", None)
    compiled, other = SCHEMAS.compile(document), jsonschema.Draft202012Validator(document)
    for value in values:
        assert (compiled.check(orjson.dumps(value).decode()).failures == ()) == other.is_valid(value)


CANARY = "kanarienvogel"
CANARIES = st.recursive(
    st.sampled_from([CANARY, CANARY + "@example.com", 77_777, 7.7777]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([CANARY, CANARY + "2", "a", "b"]), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(schema=larger(INNER), value=CANARIES, before=st.sampled_from(["", CANARY + " ", "```json\n", "{"]), truncated=st.booleans())
def test_nothing_of_an_answer_is_in_its_failures_or_in_what_the_model_is_told(schema: Any, value: Any, before: str, truncated: bool) -> None:
    document = normalised({**schema, "$defs": {"x": {}}, "definitions": {"y": {}}}, "2020")
    checked = SCHEMAS.compile(document).check(before + orjson.dumps(value).decode())
    told = repr(checked.failures) + repair_message(checked.failures, truncated)
    assert CANARY not in told
    assert "7777" not in told


def test_a_quick_check_says_what_a_full_one_says_or_nothing() -> None:
    schema = Schemas().compile({"items": {"type": "integer"}})
    assert schema.check_quickly("[1, 2]", 100) == schema.check("[1, 2]")
    assert schema.check_quickly('["no"]', 100) == schema.check('["no"]')
    assert schema.check_quickly("no JSON", 100) == schema.check("no JSON")
    assert schema.check_quickly("[" + "1," * 500 + "1]", 100) is None
    assert schema.check("[" + "1," * 500 + "1]", 100).failures
