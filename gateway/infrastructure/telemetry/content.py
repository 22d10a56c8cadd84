"""Messages as the GenAI conventions want them in ``gen_ai.input.messages`` and ``gen_ai.output.messages``: JSON text, roles with parts.

Called only where the configuration says ``capture_content``, and only with content that was redacted for the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.infrastructure.telemetry.semconv import CONTENT_LIMIT, CONTENT_TRUNCATED, INPUT_MESSAGES, OUTPUT_MESSAGES
from gateway.infrastructure.telemetry.spans import AttributeValue

_Part = dict[str, Any]


def content_attributes(messages: Sequence[Mapping[str, Any]], choices: Sequence[Mapping[str, Any]]) -> dict[str, AttributeValue]:
    """The two content attributes.

    Args:
        messages: The request's ``messages``, in OpenAI's shape, redacted for the record.
        choices: The answer's ``choices`` (each with ``message`` and ``finish_reason``), redacted for the record.

    Returns:
        JSON text of at most ``CONTENT_LIMIT`` characters each; what was cut is marked, and is no whole JSON any more.
    """
    sent = _text([{"role": _role(message), "parts": _parts(message)} for message in messages])
    answered = _text(
        [{"role": "assistant", "parts": _parts(_mapping(choice.get("message"))), "finish_reason": str(choice.get("finish_reason") or "")} for choice in choices]
    )
    cut = len(sent) > CONTENT_LIMIT or len(answered) > CONTENT_LIMIT
    return {INPUT_MESSAGES: sent[:CONTENT_LIMIT], OUTPUT_MESSAGES: answered[:CONTENT_LIMIT], CONTENT_TRUNCATED: True if cut else None}


def _role(message: Mapping[str, Any]) -> str:
    return str(message.get("role") or "")


def _parts(message: Mapping[str, Any]) -> list[_Part]:
    content = message.get("content")
    if message.get("role") == "tool":
        return [{"type": "tool_call_response", "id": message.get("tool_call_id"), "result": content}]
    parts: list[_Part] = []
    if isinstance(content, str):
        parts.append({"type": "text", "content": content})
    elif isinstance(content, list):
        parts.extend(_part(part) for part in content)
    if isinstance(message.get("refusal"), str):
        parts.append({"type": "text", "content": message["refusal"]})
    parts.extend(_call(_mapping(call)) for call in _list(message.get("tool_calls")))
    return parts


def _part(part: Any) -> _Part:
    """Text stays; of anything else only the type is told, since nobody could have redacted it."""
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return {"type": "text", "content": part["text"]}
    return {"type": str(part.get("type"))[:32] if isinstance(part, Mapping) else "unknown"}


def _call(call: Mapping[str, Any]) -> _Part:
    function = _mapping(call.get("function"))
    return {"type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": function.get("arguments")}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _text(messages: list[_Part]) -> str:
    try:
        return orjson.dumps(messages).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, which is not text
        return "[]"
