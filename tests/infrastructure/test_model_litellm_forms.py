from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamRejected
from gateway.infrastructure.model_litellm_forms import CHAT, chat_arguments, chunk_from, completion_from, embedding_arguments, embeddings_from

SUPPORTED = frozenset({"temperature", "max_tokens", "tools", "stop"})
HELLO = [{"role": "user", "content": "Hello"}]


def asked(**more: Any) -> dict[str, Any]:
    return {"model": "x", "messages": HELLO, **more}


def test_what_the_provider_takes_passes_as_it_is() -> None:
    sent = asked(temperature=0.2, stop=["a"], tools=[{"type": "function", "function": {"name": "f"}}], stream=True, stream_options={"include_usage": True})
    assert chat_arguments(sent, SUPPORTED, "there") == {name: value for name, value in sent.items() if name != "model"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 2), ("logprobs", True), ("seed", 1), ("response_format", {"type": "json_object"}), ("metadata", {"a": "b"}), ("top_k", 4), ("api_base", "http://x")],
)
def test_what_the_provider_does_not_take_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UpstreamRejected) as refused:
        chat_arguments(asked(**{name: value}), SUPPORTED, "there")
    assert (refused.value.http_status, refused.value.param) == (400, name)
    assert name in refused.value.message


@pytest.mark.parametrize("more", [{"n": 1}, {"logprobs": False}, {"seed": None}, {"presence_penalty": 0}, {"anything": None}])
def test_a_value_that_asks_for_nothing_is_left_out(more: dict[str, Any]) -> None:
    assert chat_arguments(asked(**more), SUPPORTED, "there") == {"messages": HELLO}


def test_a_name_that_is_no_parameter_is_not_repeated() -> None:
    with pytest.raises(UpstreamRejected) as refused:
        chat_arguments(asked(**{"jane@example.com": 1}), SUPPORTED, "there")
    assert refused.value.param is None
    assert "jane" not in refused.value.message


@given(st.dictionaries(st.text(max_size=20), st.one_of(st.booleans(), st.integers(), st.text(max_size=5)), max_size=4))
def test_no_name_but_a_known_parameter_ever_reaches_litellm(more: dict[str, Any]) -> None:
    try:
        passed = chat_arguments({**more, "messages": HELLO}, frozenset(more) | SUPPORTED, "there")
    except UpstreamRejected:
        assert not set(more) <= CHAT
    else:
        assert set(passed) <= CHAT | {"messages", "stream", "stream_options"}


@pytest.mark.parametrize("tool", [{"type": "mcp", "server_url": "litellm_proxy"}, {"type": "web_search"}, {"type": "function"}, "f"])
def test_a_tool_that_is_no_function_is_refused(tool: Any) -> None:
    with pytest.raises(UpstreamRejected) as refused:
        chat_arguments(asked(tools=[{"type": "function", "function": {"name": "f"}}, tool]), SUPPORTED, "there")
    assert refused.value.param == "tools[1]"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://192.0.2.1/a.png"}},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "file", "file": {"file_id": "gs://bucket/a.pdf"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": ["file:///etc/passwd"]}},
        "no part",
    ],
)
def test_content_that_would_be_fetched_is_refused(part: Any) -> None:
    messages = [*HELLO, {"role": "user", "content": [{"type": "text", "text": "see https://example.com"}, part]}]
    with pytest.raises(UpstreamRejected) as refused:
        chat_arguments({"messages": messages}, SUPPORTED, "there")
    assert refused.value.param == "messages[1]"
    assert "example.com" not in refused.value.message


def test_an_image_within_the_request_and_addresses_in_text_pass() -> None:
    content = [{"type": "text", "text": "see https://example.com"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR//+"}}]
    messages = [{"role": "user", "content": content}]
    assert chat_arguments({"messages": messages}, SUPPORTED, "there") == {"messages": messages}


def test_a_completion_has_nothing_of_litellms_own() -> None:
    given_call = {"index": 1, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}", "x": 1}, "provider_specific_fields": {"a": 1}}
    message = {"role": "assistant", "content": None, "tool_calls": [given_call], "function_call": None, "provider_specific_fields": {"a": "b"}, "images": []}
    answer = completion_from(
        {
            "id": "r1",
            "created": 5,
            "model": "m",
            "object": "whatever",
            "_hidden_params": {"api_base": "x"},
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message, "provider_specific_fields": {}}],
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "total_tokens": 5,
                "cost": 1,
                "prompt_tokens_details": {"cached_tokens": 1, "text_tokens": 9},
            },
        }
    )
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert answer == {
        "object": "chat.completion",
        "id": "r1",
        "created": 5,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}},
    }


def test_a_usage_of_zeros_is_none() -> None:
    assert "usage" not in completion_from({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}})


def test_a_chunk_that_brings_usage_has_no_empty_choice() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    empty = {"index": 0, "delta": {"content": None, "role": None}, "finish_reason": None}
    assert chunk_from({"choices": [empty], "usage": usage}) == {"object": "chat.completion.chunk", "choices": [], "usage": usage}
    assert chunk_from({"choices": [{**empty, "finish_reason": "stop"}], "usage": usage})["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]


def test_embeddings_come_in_the_encoding_that_was_asked_for() -> None:
    given_answer = {"model": "m", "data": [{"embedding": [0.5, -1.0], "index": 0}, {"embedding": [0.0, 2.0]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    numbers = embeddings_from(given_answer, {})
    assert [(entry["index"], entry["embedding"]) for entry in numbers["data"]] == [(0, [0.5, -1.0]), (1, [0.0, 2.0])]
    encoded = embeddings_from(given_answer, {"encoding_format": "base64"})["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(encoded)) == (0.5, -1.0)


@pytest.mark.parametrize(
    ("more", "param"), [({"encoding_format": "hex"}, "encoding_format"), ({"api_base": "x"}, "api_base"), ({"input_type": "q"}, "input_type")]
)
def test_a_parameter_that_embeddings_do_not_have_is_refused(more: dict[str, Any], param: str) -> None:
    with pytest.raises(UpstreamRejected) as refused:
        embedding_arguments({"model": "m", "input": "a", **more}, "there")
    assert refused.value.param == param
    assert embedding_arguments({"model": "m", "input": "a", "encoding_format": "float", "user": None}, "there") == {"input": "a"}


@pytest.mark.parametrize("name", ["tools", "functions", "response_format"])
def test_a_schema_that_explodes_is_refused_before_it_is_written_out(name: str) -> None:
    definitions = {f"a{level}": {"anyOf": [{"$ref": f"#/$defs/a{level + 1}"}, {"$ref": f"#/$defs/a{level + 1}"}]} for level in range(30)}
    schema = {"$ref": "#/$defs/a0", "$defs": {**definitions, "a30": {}}}
    function = {"name": "f", "parameters": schema}
    values = {
        "tools": [{"type": "function", "function": function}],
        "functions": [function],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    with pytest.raises(UpstreamRejected) as refused:
        chat_arguments(asked(**{name: values[name]}), frozenset(values), "there")
    assert (refused.value.param, refused.value.http_status) == (name, 400)
