from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.redaction.request import Inspection
from gateway.domain import Json, Obligations

Send = Callable[..., tuple[Inspection, Json]]
NOTHING = Obligations()
NEW = "eve@example.com"


def chunk(delta: Any, finish: str | None = None) -> Json:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


NESTED = [
    {"own": {"ssn": "123456789"}},
    {"own": [{"ssn": ["123456789"]}]},
    {"ssn": ["123456789"]},
    {"own": {"arguments": '{"a": "' + NEW + '"}'}},
    {"own": [[NEW]]},
    {"own": {"n": 4111111111111111}},
    {"own": {"type": NEW}},
    {"content": [{"type": "text", "text": f"to {NEW}"}]},
]


@pytest.mark.parametrize("delta", NESTED)
def test_a_nested_field_is_redacted_as_in_a_complete_answer(sent: Send, delta: Json) -> None:
    inspection, _ = sent("hello")
    whole = inspection.inspect_answer({"choices": [{"index": 0, "message": delta, "finish_reason": "stop"}]}).for_caller(NOTHING)
    stream = inspection.stream(NOTHING)
    shown = stream.push(chunk(json.loads(json.dumps(delta)), "stop"))["choices"][0]["delta"]
    assert NEW not in json.dumps(shown)
    assert "123456789" not in json.dumps(shown)
    if "type" not in json.dumps(delta):
        assert shown == whole["choices"][0]["message"]
    assert sum(stream.redactions.values()) == 1


def test_a_nested_field_with_a_value_in_a_key_is_left_out(sent: Send) -> None:
    stream = sent("hello")[0].stream(NOTHING)
    assert stream.push(chunk({"own": {NEW: "x"}}))["choices"][0]["delta"] == {"own": None}


def test_what_a_nested_field_holds_at_the_end_has_the_form_of_its_last_value(sent: Send) -> None:
    stream = sent("hello")[0].stream(NOTHING)
    stream.push(chunk({"own": {"a": "one", "n": 1}}))
    stream.push(chunk({"own": {"b": "two"}}))
    assert stream.push(chunk({}, "stop"))["choices"][0]["delta"] == {"own": {"b": "two", "a": "one"}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.sampled_from([NEW, "ssn", f"x {NEW} y", "<EMAIL"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "content",
                    "tool_calls",
                    "function_call",
                    "function",
                    "arguments",
                    "name",
                    "id",
                    "index",
                    "audio",
                    "data",
                    "own",
                    "type",
                    "custom",
                    "input",
                    "text",
                    NEW,
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(
        st.tuples(
            JSON, st.sampled_from([None, None, "stop"]), st.dictionaries(st.sampled_from(["logprobs", "own", "finish_reason", "index"]), JSON, max_size=2)
        ),
        max_size=5,
    )
)
def test_no_chunk_however_odd_shows_a_value(sent: Send, parts: list[tuple[Any, str | None, Json]]) -> None:
    stream = sent("hello")[0].stream(NOTHING)
    for delta, finish, more in parts:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
        choice["logprobs"] = None
        assert NEW not in json.dumps(stream.push({"choices": [choice], "own": delta}))
    stream.close()
    assert NEW not in json.dumps([stream.caller_choices(), stream.record_choices()])
