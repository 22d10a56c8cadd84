from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest

from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.redaction.stream import ChatStream
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


def arguments_chunk(text: str, index: int = 0, **function: Any) -> Json:
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": text, **function}}]})


def parts(text: str, cuts: Iterable[int]) -> list[str]:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def merged(chunks: Iterable[Json]) -> Json:
    """What a client puts together: strings of deltas are joined, tool calls by their index."""
    message: Json = {}
    for one in chunks:
        for choice in one["choices"]:
            _merge(message, choice["delta"])
    return message


def _merge(into: Json, delta: Json) -> None:
    for key, value in delta.items():
        if isinstance(value, str):
            into[key] = (into.get(key) or "") + value
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            for item in value:
                _merge(into.setdefault(key, {}).setdefault(item["index"], {}), {name: part for name, part in item.items() if name != "index"})
        elif value is not None:
            into[key] = value


def pushed(stream: ChatStream, chunks: Iterable[Json]) -> Json:
    message = merged(stream.push(one) for one in chunks)
    stream.close()
    return message


def token_of(body: Json) -> str:
    content: str = body["messages"][0]["content"]
    return content[content.index("<") : content.index(">") + 1]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("cut", range(5))
def test_the_name_of_a_call_comes_once_it_is_whole_and_before_its_arguments(sent: Send, cut: int, *, known: bool) -> None:
    tools = [{"type": "function", "function": {"name": "send"}}] if known else []
    stream = sent("hello", tools=tools)[0].stream(NOTHING)
    names = [part for part in parts("send", [cut]) if part]
    seen = ""
    for name in names:
        function = stream.push(chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": name, "arguments": ""}}]}))
        seen += function["choices"][0]["delta"]["tool_calls"][0]["function"].get("name", "")
    assert seen == ("send" if known else "")
    function = stream.push(arguments_chunk("{"))["choices"][0]["delta"]["tool_calls"][0]["function"]
    assert seen + function.get("name", "") == "send"
    assert "name" not in stream.push(arguments_chunk("}"))["choices"][0]["delta"]["tool_calls"][0]["function"]
    assert stream.caller_choices()[0]["tool_calls"] == [{"id": "c", "name": "send", "arguments": "{}"}]


def test_names_and_ids_that_hold_a_value_are_aliases_and_known_aliases_are_restored(sent: Send) -> None:
    tools = [{"type": "function", "function": {"name": MAIL}}]
    inspection, body = sent("x", tools=tools)
    alias = body["tools"][0]["function"]["name"]
    stream = inspection.stream(NOTHING)
    entries = [{"index": 0, "id": NEW, "function": {"name": alias, "arguments": "{}"}}, {"index": 1, "id": "c", "function": {"name": NEW, "arguments": "{}"}}]
    message = pushed(stream, [chunk({"tool_calls": entries}), chunk({}, "tool_calls")])
    assert message["tool_calls"][0]["function"]["name"] == MAIL
    assert NEW not in json.dumps(message)
    assert message["tool_calls"][1]["function"]["name"].startswith("redacted_")
    assert MAIL not in json.dumps(stream.record_choices())
    assert NEW not in json.dumps(stream.record_choices())


def test_legacy_function_calls_and_custom_tools_stream_too(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL} x")
    stream = inspection.stream(NOTHING)
    function = pushed(
        stream,
        [
            chunk({"function_call": {"name": "f", "arguments": f'{{"a": "{token_of(body)[:9]}'}}),
            chunk({"function_call": {"arguments": f'{token_of(body)[9:]}"}}'}}, "function_call"),
        ],
    )
    assert function["function_call"] == {"name": "f", "arguments": json.dumps({"a": MAIL})}
    custom = [chunk({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": part}}]}) for part in ("to eve@exam", "ple.com")]
    message = pushed(inspection.stream(NOTHING), [*custom, chunk({}, "tool_calls")])
    assert message["tool_calls"][0]["custom"]["input"].startswith("to <EMAIL_ADDRESS_")
