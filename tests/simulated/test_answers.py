from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulated.answers import DONE, answer_for, events, whole
from gateway.simulated.prompt import prompt_of
from gateway.simulated.script import Rule, ToolCall
from gateway.simulated.script_reader import parse_script


def asked(text: str = "hello", **more: Any) -> Any:
    return prompt_of({"model": "simulated-1", "messages": [{"role": "user", "content": text}], **more}, {})


def streamed(rule: Rule, prompt: Any, *, include_usage: bool = False) -> list[dict[str, Any]]:
    sent = list(events(answer_for(rule, prompt), include_usage=include_usage))
    assert sent[-1] == DONE
    return [orjson.loads(event.removeprefix(b"data: ")) for event in sent[:-1]]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 20))
def test_the_chunks_of_a_stream_are_the_whole_answer(text: str, size: int) -> None:
    rule = Rule(chunks=size)
    chunks = streamed(rule, asked(text))
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == text
    assert orjson.loads(whole(answer_for(rule, asked(text))))["choices"][0]["message"]["content"] == text
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]


def test_arguments_of_a_tool_call_come_in_parts_and_are_json_together() -> None:
    rule = Rule(reply=None, tool_calls=(ToolCall(name="find", arguments={"q": "{echo}", "n": [1]}),), chunks=3)
    calls = [call for chunk in streamed(rule, asked('say "hi"')) for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "find"
    assert orjson.loads("".join(call["function"]["arguments"] for call in calls)) == {"q": 'say "hi"', "n": [1]}
    choice = orjson.loads(whole(answer_for(rule, asked('say "hi"'))))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert orjson.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"q": 'say "hi"', "n": [1]}


def test_usage_is_streamed_only_if_asked_for_and_last() -> None:
    chunks = streamed(Rule(), asked(), include_usage=True)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 2
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert all("usage" not in chunk for chunk in streamed(Rule(), asked()))


@pytest.mark.parametrize(
    ("usage", "prompt_tokens", "cached"), [("given", 2, 0), ("absurd", -1, None), ("omitted", None, None), ("{input: 9, output: 3, cached: 4}", 9, 4)]
)
def test_usage_is_what_the_script_says(usage: str, prompt_tokens: int | None, cached: int | None) -> None:
    rule = parse_script(f"rules: [{{usage: {usage}}}]").rules[0]
    told = orjson.loads(whole(answer_for(rule, asked()))).get("usage", {})
    assert told.get("prompt_tokens") == prompt_tokens
    assert told.get("prompt_tokens_details", {}).get("cached_tokens") == cached


def test_choices_and_log_probabilities_are_given_as_asked() -> None:
    body = orjson.loads(whole(answer_for(Rule(), asked(n=3, logprobs=True))))
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["choices"][0]["logprobs"]["content"][0]["token"] == "hello"
    assert body["system_fingerprint"] == "simulated"
    assert orjson.loads(whole(answer_for(Rule(), asked())))["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(("given", "told"), [("true", [-0.5] * 4), ("-0.05", [-0.05] * 4), ("[-0.1, -2.3, 0]", [-0.1, -2.3, 0.0, -0.1])])
def test_log_probabilities_are_those_of_the_script_in_turn(given: str, told: list[float]) -> None:
    rule = parse_script(f"rules: [{{reply: eight by, chunks: 2, logprobs: {given}}}]").rules[0]
    whole_one = orjson.loads(whole(answer_for(rule, asked())))["choices"][0]["logprobs"]["content"]
    parts = [chunk["choices"][0]["logprobs"] for chunk in streamed(rule, asked())]
    assert [token["logprob"] for token in whole_one] == told
    assert [part["content"][0]["logprob"] for part in parts if part] == told


def test_a_refusal_has_no_content() -> None:
    rule = parse_script("rules: [{refusal: 'I cannot: {echo}', chunks: 4}]").rules[0]
    message = orjson.loads(whole(answer_for(rule, asked())))["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "I cannot: hello")
    deltas = [chunk["choices"][0]["delta"] for chunk in streamed(rule, asked())]
    assert "".join(delta.get("refusal") or "" for delta in deltas) == "I cannot: hello"
    assert not any(delta.get("content") for delta in deltas)
