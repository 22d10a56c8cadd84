"""The form in which an answer is compared: what the caller got and what the record keeps, streamed or not."""

from __future__ import annotations

from typing import Any

from gateway.domain import Json


def choices(body: Json) -> list[Json]:
    """The choices of a complete chat completion: ``index, content, refusal, tool_calls: [{id, name, arguments}], finish_reason``.

    An empty text counts as none, and a legacy ``function_call`` as a call without an id.
    """
    found = body.get("choices")
    return [_choice(choice, position) for position, choice in enumerate(found) if isinstance(choice, dict)] if isinstance(found, list) else []


def _choice(choice: Json, position: int) -> Json:
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {}
    calls = message.get("tool_calls")
    found = [_call(call) for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    if isinstance(message.get("function_call"), dict):
        found.append(_call({"function": message["function_call"]}))
    return entry(choice.get("index", position), message.get("content"), message.get("refusal"), found, choice.get("finish_reason"))


def _call(call: Json) -> Json:
    function = call.get("function") or call.get("custom")
    if not isinstance(function, dict):
        function = {}
    return {"id": call.get("id"), "name": function.get("name"), "arguments": function.get("arguments", function.get("input"))}


def entry(index: Any, content: Any, refusal: Any, tool_calls: list[Json], finish_reason: Any) -> Json:
    """One choice in the form of comparison."""
    return {"index": index, "content": content or None, "refusal": refusal or None, "tool_calls": tool_calls, "finish_reason": finish_reason}
