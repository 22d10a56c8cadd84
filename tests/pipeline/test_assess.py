"""What the gateway knows of an answer besides its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.testing import Routing, local_gateway

ASSESSED = Routing(assistant="{target: simulated, retries: {max: 0}, repair: {asks: 0}, confidence: {logprobs: true}}")
REPORTS = {"type": "object", "properties": {"confidence": {"type": "number", "minimum": 0, "maximum": 1}}}


async def told(tmp_path: Path, rule: str, routing: Routing = ASSESSED, **parameters: Any) -> dict[str, Any]:
    async with local_gateway(tmp_path, f"rules: [{{{rule}}}]", routing=routing) as local:
        found: dict[str, Any] = (await local.ask("hello", **parameters)).json["gateway"]
        return found


async def test_a_route_that_does_not_assess_has_no_confidence(tmp_path: Path) -> None:
    plain = Routing(assistant="{target: simulated, retries: {max: 0}}")
    found = await told(tmp_path, "reply: 'I am sorry, I cannot help with that', finish_reason: length, logprobs: -3.0", plain)
    assert (found["confidence"], found["signals"]) == (None, {})


@pytest.mark.parametrize(
    ("rule", "signal", "value"),
    [
        ("reply: 'one two', logprobs: 0.0", "logprobs", 1.0),
        ("reply: 'one two', finish_reason: length", "truncated", True),
        ("refusal: 'I cannot'", "refusal", True),
        ("reply: 'I am sorry, but I cannot help with that.'", "refusal", True),
    ],
)
async def test_each_signal_is_told_where_it_is_there(tmp_path: Path, rule: str, signal: str, value: object) -> None:
    found = await told(tmp_path, rule)
    assert found["signals"][signal] == value
    assert 0 <= found["confidence"] <= 1


async def test_what_the_answer_says_of_itself_counts_where_the_schema_has_it(tmp_path: Path) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": REPORTS}}
    found = await told(tmp_path, "reply: '{\"confidence\": 0.25}'", response_format=asked)
    assert found["signals"]["self_reported"] == 0.25


async def test_less_probable_answers_are_trusted_less(tmp_path: Path) -> None:
    confidences = []
    for name, logprob in (("sure", -0.01), ("unsure", -3.0)):
        (tmp_path / name).mkdir()
        confidences.append((await told(tmp_path / name, f"reply: 'yes', logprobs: {logprob}"))["confidence"])
    assert confidences[0] > confidences[1]


async def test_failed_tools_in_the_conversation_are_a_signal(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "find it"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"error": "not found"}'},
    ]
    async with local_gateway(tmp_path, "rules: [{reply: 'it is there'}]", routing=ASSESSED) as local:
        found = (await local.chat({"model": "assistant", "messages": messages})).json["gateway"]
        assert found["signals"]["tool_errors"] == 1
