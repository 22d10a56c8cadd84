"""The schemas of the document say what the gateway checks, no more and no less."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.surfaces.openai_chat import check_chat_request
from gateway.surfaces.openai_embeddings import check_embeddings_request
from gateway.surfaces.openapi_schemas import COMPONENTS, ref

DOCUMENT = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": {"schemas": COMPONENTS}}
CHECKS = {"ChatRequest": check_chat_request, "EmbeddingsRequest": check_embeddings_request}

odd = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "", "x", "float", "json_object"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "type", "x"]), inner, max_size=2),
    max_leaves=6,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        name: odd | good
        for name, good in {
            "model": st.just("assistant"),
            "messages": st.lists(st.fixed_dictionaries({"role": st.just("user")}), max_size=2),
            "input": st.lists(st.integers(-1, 3), max_size=3) | st.lists(st.sampled_from(["", "a"]), max_size=3),
            "encoding_format": st.just("base64"),
            "dimensions": st.integers(),
            "stream": st.booleans(),
            "n": st.integers(),
            "tools": st.lists(st.just({})),
            "response_format": st.fixed_dictionaries({"type": st.just("json_object")}),
            "stream_options": st.just({}),
            "logprobs": st.booleans(),
            "top_logprobs": st.integers(0, 3),
        }.items()
    },
)


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**DOCUMENT, **ref(name)})


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(COMPONENTS[name])
    validator(name).is_valid({})  # resolves its references


@pytest.mark.parametrize("name", CHECKS)
@given(body=bodies)
def test_a_body_is_refused_exactly_where_its_schema_says_so(name: str, body: dict[str, Any]) -> None:
    try:
        CHECKS[name](body)
        taken = True
    except InvalidRequest:
        taken = False
    assert taken == validator(name).is_valid(body)
