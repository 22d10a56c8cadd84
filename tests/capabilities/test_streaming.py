"""Events and finishes of chat completion streams."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.streaming import FinishHolder, checked_chunk, chunks_of, error_event, gather
from gateway.errors import UpstreamMalformed


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}, **more}]}


def test_gathered_chunks_are_the_answer_that_a_plain_call_would_have_brought() -> None:
    answer = gather(
        [
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hel"}),
            chunk({"content": "lo"}),
            chunk(call(0, '{"a":', id="call_1", type="function", name="find")),
            chunk(call(0, "1}")),
            chunk({"content": "other"}, index=1),
            chunk({}, "tool_calls"),
            chunk({}, "stop", index=1),
            {"choices": [], "usage": {"prompt_tokens": 3}},
        ]
    )
    first, second = answer["choices"]
    assert (first["message"]["role"], first["message"]["content"], first["finish_reason"]) == ("assistant", "Hello", "tool_calls")
    assert first["message"]["tool_calls"] == [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"a":1}'}}]
    assert (second["message"]["content"], second["finish_reason"]) == ("other", "stop")
    assert answer["usage"] == {"prompt_tokens": 3}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"choices": None},
        {"choices": ["x"]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {}, "index": "0"}]},
        chunk({"tool_calls": {}}),
        chunk({"tool_calls": [{"index": "0"}]}),
    ],
)
def test_a_chunk_of_another_shape_is_malformed(broken: dict[str, Any]) -> None:
    with pytest.raises(UpstreamMalformed):
        checked_chunk(broken)


def test_finish_and_usage_stay_until_they_are_asked_for() -> None:
    holder = FinishHolder()
    assert holder.take(chunk({}, "stop")) is None
    kept = holder.take(chunk({"content": "x"}, usage={"prompt_tokens": 1}))
    assert kept is not None
    assert kept["choices"][0]["finish_reason"] is None
    assert "usage" not in kept
    finals = holder.finals({"record": "int_1"}, include_usage=True).split(b"\n\n")
    assert orjson.loads(finals[0][6:])["choices"][0]["finish_reason"] == "stop"
    assert orjson.loads(finals[0][6:])["gateway"] == {"record": "int_1"}
    assert orjson.loads(finals[1][6:])["usage"] == {"prompt_tokens": 1}
    assert finals[2] == b"data: [DONE]"


def test_an_error_event_has_openais_shape() -> None:
    body = orjson.loads(error_event(UpstreamMalformed("broke off", code="upstream.cut"))[6:])
    assert body["error"]["code"] == "upstream.cut"


def test_nothing_that_was_said_in_parts_is_lost() -> None:
    answer = gather(
        [
            chunk({"role": "assistant", "function_call": {"name": "find", "arguments": '{"a"'}, "details": [{"text": "x"}]}),
            chunk({"function_call": {"arguments": ":1}"}, "details": [{"text": "y"}], "role": "assistant"}),
            chunk({}, "function_call"),
        ]
    )
    message = answer["choices"][0]["message"]
    assert message["function_call"] == {"name": "find", "arguments": '{"a":1}'}
    assert message["details"] == [{"text": "x"}, {"text": "y"}]
    assert message["role"] == "assistant"


def test_a_target_cannot_speak_for_the_gateway() -> None:
    assert "gateway" not in (FinishHolder().take(chunk({"content": "a"}, gateway={"record": "forged"})) or {})


@given(st.lists(st.text(max_size=6), max_size=30), st.lists(st.lists(st.integers(0, 99), max_size=3), max_size=30))
def test_gathering_keeps_every_part_in_order_and_leaves_the_chunks_as_they_are(texts: list[str], probabilities: list[list[int]]) -> None:
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": text, "audio": {"id": "a", "data": text}, "parts": [text]}, "logprobs": None}]} for text in texts
    ]
    chunks += [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": str(each)}}]}, "logprobs": {"content": each}}]}
        for each in probabilities
    ]
    before = orjson.dumps(chunks)
    choices = gather(chunks)["choices"]
    assert orjson.dumps(chunks) == before
    choice = choices[0] if choices else {"message": {}}
    if texts:
        said = choice["message"]
        assert (said["content"], said["audio"]["data"], said["parts"]) == ("".join(texts), "".join(texts), texts)
    if probabilities:
        assert choice["logprobs"]["content"] == [each for several in probabilities for each in several]
        assert choice["message"]["tool_calls"][0]["function"]["arguments"] == "".join(map(str, probabilities))


def test_what_was_gathered_is_plain_json() -> None:
    choice = gather([{"choices": [{"delta": {"content": "a", "audio": {"x": "1"}}}]}, {"choices": [{"delta": {"content": "b", "audio": {"x": "2"}}}]}])[
        "choices"
    ][0]
    assert [type(choice), type(choice["message"]), type(choice["message"]["content"]), type(choice["message"]["audio"])] == [dict, dict, str, dict]
    assert choice["message"]["audio"] == {"x": "12"}


def test_a_very_long_answer_is_gathered_without_being_copied_again_and_again() -> None:
    chunks = [{"choices": [{"index": 0, "delta": {"content": "word "}, "logprobs": {"content": [{"logprob": -1.0}]}}]} for _ in range(200_000)]
    choice = gather(chunks)["choices"][0]
    assert len(choice["message"]["content"]) == 1_000_000
    assert len(choice["logprobs"]["content"]) == 200_000


def test_every_choice_of_every_chunk_has_a_finish_reason_as_the_protocol_demands() -> None:
    message = {"role": "assistant", "content": "Hello"}
    answer = {"id": "c1", "model": "m", "choices": [{"index": index, "message": message, "finish_reason": "stop"} for index in range(2)]}
    assert [[choice["finish_reason"] for choice in each["choices"]] for each in chunks_of(answer)] == [[None, None], ["stop", "stop"]]
