from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.infrastructure.telemetry.content import content_attributes

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Berlin"}'}}


def loads(value: Any) -> Any:
    return orjson.loads(value)


def test_messages_have_the_shape_of_the_conventions() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, {"type": "image_url", "image_url": {"url": "data:..."}}]},
    ]
    attributes = content_attributes(messages, [{"message": {"role": "assistant", "content": "Wet."}, "finish_reason": "stop"}])
    assert loads(attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": '{"city": "Berlin"}'}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "result": "rain"}]},
        {"role": "user", "parts": [{"type": "text", "content": "And this?"}, {"type": "image_url"}]},
    ]
    assert loads(attributes["gen_ai.output.messages"]) == [{"role": "assistant", "parts": [{"type": "text", "content": "Wet."}], "finish_reason": "stop"}]
    assert attributes["gateway.content_truncated"] is None


def test_long_content_is_cut_and_says_so() -> None:
    attributes = content_attributes([{"role": "user", "content": "x" * 100_000}], [])
    assert isinstance(attributes["gen_ai.input.messages"], str)
    assert len(attributes["gen_ai.input.messages"]) == 16_384
    assert attributes["gateway.content_truncated"] is True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "function", "name", "id", "refusal"]), inside, max_size=3),
    max_leaves=8,
)
MESSAGE = st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "refusal", "tool_call_id"]), JSON)


@given(st.lists(MESSAGE, max_size=3), st.lists(st.dictionaries(st.sampled_from(["message", "finish_reason"]), MESSAGE | JSON), max_size=2))
def test_messages_of_any_shape_never_fail(messages: list[dict[str, Any]], choices: list[dict[str, Any]]) -> None:
    assert content_attributes(messages, choices).keys() == {"gen_ai.input.messages", "gen_ai.output.messages", "gateway.content_truncated"}


def test_text_that_is_none_costs_the_content_and_nothing_else() -> None:
    assert content_attributes([{"role": "user", "content": "a\ud800"}], [])["gen_ai.input.messages"] == "[]"
