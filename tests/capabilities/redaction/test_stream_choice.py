from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from gateway.capabilities.redaction.request import Inspection
from gateway.domain import Json, Obligations

Send = Callable[..., tuple[Inspection, Json]]
NOTHING = Obligations()
MAIL, NEW = "alice@example.com", "eve@example.com"


def chunk(delta: Json, finish: str | None = None, index: int = 0, **choice: Any) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "choices": [{"index": index, "delta": delta, "finish_reason": finish, **choice}],
    }


def token_of(body: Json) -> str:
    content: str = body["messages"][0]["content"]
    return content[content.index("<") : content.index(">") + 1]


def test_the_finish_brings_all_that_was_held_of_its_choice_only(sent: Send) -> None:
    stream = sent("hello")[0].stream(NOTHING)
    for index in (0, 1):
        assert stream.push(chunk({"content": f"word{index}"}, index=index))["choices"][0]["delta"] == {"content": ""}
        stream.push(chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "send", "arguments": '{"a": "held'}}]}, index=index))
    last = stream.push(chunk({"content": "!"}, "stop", index=1))["choices"][0]["delta"]
    assert last["content"] == "word1!"
    assert last["tool_calls"] == [{"index": 0, "function": {"arguments": "held"}}]
    stream.close()
    assert [choice["content"] for choice in stream.caller_choices()] == [None, "word1!"]
    assert [choice["content"] for choice in stream.record_choices()] == ["word0", "word1!"]


def test_nothing_follows_a_finish(sent: Send) -> None:
    stream = sent("hello")[0].stream(NOTHING)
    stream.push(chunk({"content": "a"}, "stop"))
    assert stream.push(chunk({"content": "more"}, logprobs={"content": []}))["choices"][0]["delta"] == {}
    assert stream.caller_choices() == [{"index": 0, "content": "a", "refusal": None, "tool_calls": [], "finish_reason": "stop"}]


def test_media_in_a_stream_need_a_grant(sent: Send) -> None:
    inspection, _ = sent("sing")
    audio = {"audio": {"id": "audio_1", "data": "UklGRg==", "transcript": "la "}}
    assert inspection.stream(NOTHING).push(chunk(copy.deepcopy(audio)))["choices"][0]["delta"]["audio"] == {"id": "audio_1", "data": "", "transcript": "la "}
    assert inspection.stream(Obligations(allow_unscanned=True)).push(chunk(audio))["choices"][0]["delta"]["audio"]["data"] == "UklGRg=="


def test_a_placeholder_cut_off_by_the_finish_is_plain_text(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL} x")
    cut = token_of(body)[:-5]
    stream = inspection.stream(NOTHING)
    chunks = [chunk({"content": cut[:3]}), chunk({"content": cut[3:9]}), chunk({"content": cut[9:]}), chunk({}, "stop")]
    assert "".join(stream.push(one)["choices"][0]["delta"]["content"] for one in chunks) == cut


def logprobs(*tokens: str) -> Json:
    return {"content": [{"token": token, "logprob": -1.0} for token in tokens], "refusal": None}


def test_log_probabilities_wait_for_their_text_and_go_once_it_is_touched(sent: Send) -> None:
    stream = sent("hello")[0].stream(NOTHING)
    seen = [stream.push(chunk({"content": text}, logprobs=logprobs(text)))["choices"][0]["logprobs"] for text in ("one ", "two", " ")]
    assert [bool(item) for item in seen] == [True, False, True]
    assert [item["token"] for item in seen[2]["content"]] == ["two", " "]
    assert not stream.logprobs_dropped
    for text in (NEW, " ", "more "):
        assert stream.push(chunk({"content": text}, logprobs=logprobs(text)))["choices"][0]["logprobs"] is None
    assert stream.logprobs_dropped
