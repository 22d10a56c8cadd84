from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.infrastructure.model_litellm_schemas import MOST_PARTS, writes_out_within


def doubling(levels: int, key: str = "$defs") -> dict[str, Any]:
    """Definitions that each refer twice to the next one."""
    definitions: dict[str, Any] = {
        f"a{level}": {"properties": {"x": {"$ref": f"#/{key}/a{level + 1}"}, "y": {"$ref": f"#/{key}/a{level + 1}"}}} for level in range(levels)
    }
    return {"properties": {"r": {"$ref": f"#/{key}/a0"}}, key: {**definitions, f"a{levels}": {"type": "string"}}}


def all_to_all(count: int) -> dict[str, Any]:
    """Definitions that each refer to every one: without end, and with as many ways as there are orders."""
    each = {"anyOf": [{"$ref": f"#/$defs/n{other}"} for other in range(count)]}
    return {"$ref": "#/$defs/n0", "$defs": {f"n{number}": each for number in range(count)}}


@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, doubling(5), doubling(5, "definitions"), all_to_all(3), {"$ref": "#/$defs/none"}, {"$ref": 1, "$defs": 2}]
)
def test_an_ordinary_schema_is_within(schema: dict[str, Any]) -> None:
    assert writes_out_within(schema)


@pytest.mark.parametrize("schema", [doubling(16), doubling(200), doubling(30, "definitions"), all_to_all(12), {"a": doubling(30)}])
def test_a_schema_that_explodes_is_not(schema: dict[str, Any]) -> None:
    assert not writes_out_within(schema)


def test_a_definition_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    assert writes_out_within({"$ref": "#/$defs/node", "$defs": {"node": node}}, 20)


@given(st.integers(min_value=1, max_value=60))
def test_without_references_the_size_is_what_is_written(count: int) -> None:
    schema: dict[str, Any] = {"anyOf": [{} for _ in range(count)]}
    assert writes_out_within(schema, count + 2)
    assert not writes_out_within(schema, count + 1)


_NAMES = st.sampled_from(["$ref", "$defs", "definitions", "a", "b"])
_LEAVES = st.sampled_from(["#/$defs/a", "#/definitions/b", "a", None, 1])


@given(st.recursive(_LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)), max_leaves=30))
def test_any_json_has_an_answer(value: Any) -> None:
    schema = {"properties": value}
    assert writes_out_within(schema) in {True, False}
    assert writes_out_within(schema, MOST_PARTS) or not writes_out_within(schema, 10)
