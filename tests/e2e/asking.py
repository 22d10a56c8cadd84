"""Short ways to ask with the official client, and to read what streams bring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import openai

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": name, "description": "A tool.", "parameters": {"type": "object", "properties": {"email": {"type": "string"}}}},
    }
    for name in ("find_order", "notify")
]


def said(text: str) -> list[Any]:
    """One user message."""
    return [{"role": "user", "content": text}]


def ask(client: openai.OpenAI, text: str, **parameters: Any) -> Any:
    """One user message to route ``assistant``."""
    return client.chat.completions.create(**{"model": "assistant", "messages": said(text), **parameters})


def stream(client: openai.OpenAI, text: str, **parameters: Any) -> Any:
    """The same, streamed."""
    return ask(client, text, stream=True, **parameters)


def text_of(chunks: Iterable[Any], index: int = 0) -> str:
    """The text of one choice of a stream."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == index)


def calls_of(chunks: Iterable[Any]) -> list[dict[str, str]]:
    """The tool calls of a stream, put together as a client does."""
    calls: dict[int, dict[str, str]] = {}
    for call in (call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()):
        known = calls.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
        known["id"] += call.id or ""
        known["name"] += call.function.name or ""
        known["arguments"] += call.function.arguments or ""
    return [calls[index] for index in sorted(calls)]
