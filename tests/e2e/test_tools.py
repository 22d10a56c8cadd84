"""Conversations with tools: the caller runs them, the model never sees what is personal."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import openai
import pytest

from tests.e2e.asking import TOOLS, calls_of, said, stream, text_of
from tests.e2e.deployment import Deployment


def first_turn(client: openai.OpenAI, question: list[Any], *, streamed: bool) -> list[dict[str, str]]:
    if streamed:
        return calls_of(client.chat.completions.create(model="assistant", messages=question, tools=TOOLS, stream=True))
    answer = client.chat.completions.create(model="assistant", messages=question, tools=TOOLS)
    assert answer.choices[0].finish_reason == "tool_calls"
    calls: list[Any] = list(answer.choices[0].message.tool_calls or ())
    return [{"id": call.id, "name": call.function.name, "arguments": call.function.arguments} for call in calls]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_with_tools_restores_arguments_and_redacts_results(served: Deployment, client: openai.OpenAI, streamed: bool) -> None:
    marker = uuid4().hex
    question = said(f"{marker} Find the order of jane.doe@example.com")
    calls = first_turn(client, question, streamed=streamed)
    assert [call["name"] for call in calls] == ["find_order", "notify"]
    assert json.loads(calls[0]["arguments"]) == {"email": "jane.doe@example.com", "note": 'quoted "as is"'}
    assert json.loads(calls[1]["arguments"]) == {}

    spoken = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}} for call in calls],
    }
    results = [{"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"order": 17, "card": "4242 4242 4242 4242"})} for call in calls]
    messages: Any = [*question, spoken, *results]
    second: Any = client.chat.completions.create(model="assistant", messages=messages, tools=TOOLS, stream=streamed)
    text = text_of(second) if streamed else second.choices[0].message.content

    assert text == 'Found: {"order": 17, "card": "4242 4242 4242 4242"}'
    seen = json.dumps(served.provider.received(marker))
    assert "jane.doe" not in seen
    assert "4242" not in seen
    assert seen.count("<CREDIT_CARD_") == 2


def test_the_same_value_has_one_placeholder_through_a_whole_conversation(served: Deployment, client: openai.OpenAI) -> None:
    marker = uuid4().hex
    list(stream(client, f"{marker} write to jane.doe@example.com"))
    list(stream(client, f"{marker} once more to jane.doe@example.com"))
    first, second = (body["messages"][0]["content"].rsplit(" ", 1)[1] for body in served.provider.received(marker))
    assert first == second
    assert first.startswith("<EMAIL_ADDRESS_")


def test_a_blocked_tool_is_refused_before_the_model_is_called(served: Deployment, client: openai.OpenAI) -> None:
    marker = uuid4().hex
    blocked: Any = [{"type": "function", "function": {"name": "delete_account", "parameters": {"type": "object", "properties": {}}}}]
    with pytest.raises(openai.PermissionDeniedError, match=r"limits\.tool"):
        client.chat.completions.create(model="assistant", messages=said(marker), tools=blocked)
    assert served.provider.received(marker) == []


async def test_the_async_client_puts_streamed_tool_calls_together(async_client: openai.AsyncOpenAI) -> None:
    streamed = await async_client.chat.completions.create(model="assistant", messages=said("Find the order of jane.doe@example.com"), tools=TOOLS, stream=True)
    calls = calls_of([chunk async for chunk in streamed])
    assert json.loads(calls[0]["arguments"])["email"] == "jane.doe@example.com"
