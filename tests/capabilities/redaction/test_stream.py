from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.redaction.stream import ChatStream
from gateway.capabilities.redaction.transcript import choices
from gateway.domain import Destination, FindingCount, Json, Obligations, Origin

Send = Callable[..., tuple[Inspection, Json]]
NOTHING = Obligations()
MAIL, NEW, CARD = "alice@example.com", "eve@example.com", "4111111111111111"
ODD = 'a"b\\c@example.com'


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


def content_chunks(text: str, cuts: Iterable[int], field: str = "content") -> list[Json]:
    return [chunk({"role": "assistant"}), *(chunk({field: part}) for part in parts(text, cuts)), chunk({}, "stop")]


def call_chunks(text: str, cuts: Iterable[int]) -> list[Json]:
    first = chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "send", "arguments": ""}}]})
    return [first, *(arguments_chunk(part) for part in parts(text, cuts)), chunk({}, "tool_calls")]


def pushed(stream: ChatStream, chunks: Iterable[Json]) -> Json:
    message = merged(stream.push(one) for one in chunks)
    stream.close()
    return message


def whole(inspection: Inspection, message: Json) -> Json:
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    shown: Json = inspection.inspect_answer(body).for_caller(NOTHING)["choices"][0]["message"]
    return shown


def token_of(body: Json) -> str:
    content: str = body["messages"][0]["content"]
    return content[content.index("<") : content.index(">") + 1]


TEXTS = [
    "to {token}.",
    "{token}",
    "a {token}{token} b",
    "new " + NEW + " end",
    "<{token}> <EMAIL_ADDRESS_B <",
    "sk-abcdefgh1 {token} " + CARD,
    "no finding",
    "",
]


@pytest.mark.parametrize("template", TEXTS)
@pytest.mark.parametrize("field", ["content", "refusal", "reasoning_content", "own_field"])
def test_a_streamed_text_equals_the_whole_text_for_every_two_part_split(sent: Send, template: str, field: str) -> None:
    inspection, body = sent(f"mail {MAIL}")
    text = template.format(token=token_of(body))
    expected = whole(inspection, {field: text})[field]
    for cut in range(len(text) + 1):
        stream = inspection.stream(NOTHING)
        assert pushed(stream, content_chunks(text, [cut], field)).get(field, "") == expected
        if field in {"content", "refusal"}:
            assert stream.caller_choices()[0][field] == (expected or None)


ARGUMENTS = [
    '{{"to": "{token}", "n": 1}}',
    '{{"{token}": ["{token}", null, true]}}',
    '{{"to": "eve@example.com", "ssn": 123456789, "card": 4111111111111111}}',
    '{{"to": "eve\\u0040example.com", "x": "\\ud83d\\ude00 \\n\\"q\\""}}',
    '{{"inner": "{{\\"to\\": \\"{token}\\"}}"}}',
    '{{"cut": "{token}',
    "not json: eve@example.com {token}",
    "{{}}",
    "",
]


@pytest.mark.parametrize("template", ARGUMENTS)
def test_streamed_arguments_equal_the_whole_for_every_two_part_split(sent: Send, template: str) -> None:
    inspection, body = sent(f"mail {MAIL} x")
    text = template.format(token=token_of(body))
    message = {"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "send", "arguments": text}}]}
    expected = whole(inspection, message)["tool_calls"][0]["function"]["arguments"]
    assert NEW not in expected
    for cut in range(len(text) + 1):
        stream = inspection.stream(NOTHING)
        call = pushed(stream, call_chunks(text, [cut]))["tool_calls"][0]
        assert call["function"]["arguments"] == expected
        assert (call["id"], call["type"], call["function"]["name"]) == ("call_1", "function", "send")
        assert stream.caller_choices()[0]["tool_calls"] == [{"id": "call_1", "name": "send", "arguments": expected}]


@settings(max_examples=200)
@given(st.data())
def test_random_splits_show_the_same_and_no_value_is_in_any_emitted_beginning(sent: Send, data: st.DataObject) -> None:
    inspection, body = sent(f"mail {MAIL} now")
    word = st.sampled_from([token_of(body), token_of(body)[:-4], "<", NEW, CARD, "sk-abcdefgh1", 'say "hi"', "\\", "\n", "é\U0001f600"])
    text = data.draw(st.lists(word | st.text(max_size=5), max_size=8).map(" ".join))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    expected = whole(inspection, {"content": text})
    stream = inspection.stream(NOTHING)
    assert pushed(stream, content_chunks(text, cuts)).get("content", "") == expected["content"]
    record = inspection.inspect_answer({"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}).for_record(NOTHING)
    assert stream.record_choices() == choices(record)

    arguments = json.dumps({"a": text, text: [1], "ssn": 123456789}, ensure_ascii=data.draw(st.booleans()))
    call = {"id": "call_1", "function": {"name": "send", "arguments": arguments}}
    stream = inspection.stream(NOTHING)
    emitted = ""
    for one in call_chunks(arguments, cuts):
        for entry in stream.push(one)["choices"][0]["delta"].get("tool_calls", []):
            emitted += entry["function"].get("arguments", "")
            assert not any(value in emitted for value in (NEW, CARD, "sk-abcdefgh1", "123456789"))
    assert emitted == whole(inspection, {"tool_calls": [call]})["tool_calls"][0]["function"]["arguments"]
    assert isinstance(json.loads(emitted), dict)


def test_no_value_is_in_any_beginning_that_was_emitted(sent: Send) -> None:
    inspection, _ = sent("hello")
    text = f"mail {NEW} card {CARD} key sk-abcdefgh1 end"
    stream, emitted = inspection.stream(NOTHING), ""
    for char in text:
        emitted += stream.push(chunk({"content": char}))["choices"][0]["delta"]["content"]
        assert not any(value in emitted for value in (NEW, CARD, "sk-abcdefgh1"))
    assert stream.redactions == {"EMAIL_ADDRESS": 1, "CREDIT_CARD": 1, "SECRET": 1}
    assert stream.findings == tuple(
        FindingCount(category, 1, "choices[0].message.content", Origin.MODEL) for category in ("EMAIL_ADDRESS", "CREDIT_CARD", "SECRET")
    )


def test_restored_values_are_escaped_in_arguments_and_in_json_content(sent: Send) -> None:
    inspection, body = sent(f"mail {ODD} x", response_format={"type": "json_object"})
    text = json.dumps({"to": token_of(body), "ssn": 123456789})
    for cut in range(len(text)):
        content = json.loads(pushed(inspection.stream(NOTHING), content_chunks(text, [cut]))["content"])
        assert content["to"] == ODD
        assert content["ssn"].startswith("<US_SSN_")
        call = pushed(inspection.stream(NOTHING), call_chunks(text, [cut]))["tool_calls"][0]
        assert json.loads(call["function"]["arguments"])["to"] == ODD


def test_caller_and_record_see_what_each_is_granted(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL} x")
    text = f"{token_of(body)} {NEW} {CARD} end"
    granted = Obligations(reveal={Destination.CALLER: frozenset({"CREDIT_CARD"}), Destination.RECORD: frozenset({"EMAIL_ADDRESS"})})
    stream = inspection.stream(granted)
    pushed(stream, content_chunks(text, range(0, len(text), 3)))
    caller, record = stream.caller_choices()[0]["content"].split(), stream.record_choices()[0]["content"].split()
    assert (caller[0], caller[2], record[0], record[1]) == (MAIL, CARD, MAIL, NEW)
    assert caller[1].startswith("<EMAIL_ADDRESS_")
    assert record[2].startswith("<CREDIT_CARD_")
    body = {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
    assert stream.caller_choices() == choices(inspection.inspect_answer(body).for_caller(granted))
    assert stream.record_choices() == choices(inspection.inspect_answer(body).for_record(granted))


def test_unknown_nested_fields_are_redacted_across_chunks(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL} x")
    token = token_of(body)

    def details(text: str) -> Json:
        return {"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": text}]}

    text = f"{token} knows {NEW} well"
    for cut in range(len(text) + 1):
        first, second = parts(text, [cut])
        for tail in ([chunk(details(second)), chunk({}, "stop")], [chunk(details(second), "stop")]):
            chunks = copy.deepcopy([chunk(details(first)), *tail])
            stream = inspection.stream(NOTHING)
            seen = "".join(item["text"] for one in chunks for item in stream.push(one)["choices"][0]["delta"].get("reasoning_details", []))
            assert seen.startswith(f"{MAIL} knows <EMAIL_ADDRESS_")
            assert seen.endswith(" well")


def test_the_frame_of_a_chunk_stays_as_it_is_but_for_padding_and_findings(sent: Send) -> None:
    stream = sent("hello")[0].stream(NOTHING)
    frame = {"system_fingerprint": "fp_1", "service_tier": "default", "model": "simulated-1", "usage": None, "obfuscation": "xk3"}
    for _ in range(2):
        one = stream.push({**chunk({"role": "assistant", "content": None}), **frame, "odd": {"deep": [NEW]}, NEW: 1})
        assert NEW not in json.dumps(one)
        assert one["choices"] == [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]
        assert {key: one.get(key) for key in frame} == {**frame, "obfuscation": None}
    usage = {"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 12345678, "completion_tokens": 1}}
    assert stream.push(copy.deepcopy(usage)) == usage


@pytest.mark.parametrize(
    "one",
    [
        {},
        {"choices": None},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [None, {}, {"function": None}]}}]},
    ],
)
def test_odd_chunks_pass_without_harm(sent: Send, one: Json) -> None:
    stream = sent("hello")[0].stream(NOTHING)
    assert stream.push(one) is one
    assert stream.push(chunk({}, "stop"))["choices"][0]["finish_reason"] == "stop"


def test_what_a_chunk_says_of_the_stream_is_scanned_whenever_it_changes(sent: Send) -> None:
    """What the last chunk said too is known; a value that is known under one key is not under another, nor is a key beside a known value."""
    stream = sent("hello")[0].stream(NOTHING)
    first = stream.push({**chunk({"content": "a "}), "system_fingerprint": "fine"})
    again = stream.push({**chunk({"content": "b "}), "system_fingerprint": "fine"})
    changed = stream.push({**chunk({"content": "c "}), "system_fingerprint": NEW, NEW: "fine"})
    back = stream.push({**chunk({"content": "d "}), "system_fingerprint": "fine", "created": 2})
    assert (first["system_fingerprint"], again["system_fingerprint"], back["system_fingerprint"], back["created"]) == ("fine", "fine", "fine", 2)
    assert NEW not in json.dumps(changed)
    assert stream.findings


def test_a_placeholder_that_is_cut_by_plain_chunks_is_restored(sent: Send) -> None:
    inspection, _ = sent(f"write to {MAIL}")
    token = inspection.redact(MAIL, NOTHING, Destination.MODEL)
    stream = inspection.stream(NOTHING)
    pieces = ["plain words to ", token[:6], token[6:], " and on ", "it goes. "]
    chunks = [*map(stream.push, (chunk({"content": piece}) for piece in pieces)), stream.push(chunk({}, "stop"))]
    assert merged(chunks)["content"] == f"plain words to {MAIL} and on it goes. "
