"""What a rule can see of a request, and the values that a reply can quote from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain import Json
from gateway.simulated.script import TEMPLATE, Rule, When

MISSING = "(none)"
"""Stands where a reply quotes what the request does not have."""

_PLACEHOLDER = "<{category}_[BCDFGHJKLMNPQRST]{{16}}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request as the provider received it."""

    body: Json
    headers: Mapping[str, str]
    texts: tuple[str, ...]
    """The text of every message, in order."""
    echo: str
    """The last user text."""
    last_tool_result: str | None
    """Of the last message, if it is a tool's; so a rule can tell the turn that brings a result."""

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.body.get("stream") is True

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body.get("model", ""))

    @property
    def response_format(self) -> str | None:
        """The type of ``response_format``, where the request has one."""
        asked = self.body.get("response_format")
        kind = asked.get("type") if isinstance(asked, dict) else None
        return kind if isinstance(kind, str) else None

    @property
    def include_usage(self) -> bool:
        """Whether a stream is to end with its usage."""
        options = self.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True


def prompt_of(body: Json, headers: Mapping[str, str]) -> Prompt:
    """Read a request; whatever is not a message is passed over."""
    given = body.get("messages")
    messages = [message for message in given if isinstance(message, dict)] if isinstance(given, list) else []
    texts = tuple(_text_of(message.get("content")) for message in messages)
    echo = next((text for message, text in zip(reversed(messages), reversed(texts), strict=True) if message.get("role") == "user"), "")
    tool_result = texts[-1] if messages and messages[-1].get("role") == "tool" else None
    return Prompt(body=body, headers=headers, texts=texts, echo=echo, last_tool_result=tool_result)


def matches(when: When, prompt: Prompt) -> bool:
    """Whether every condition of ``when`` holds."""
    return (
        when.model in {None, prompt.model}
        and when.stream in {None, prompt.stream}
        and when.tool_result in {None, prompt.last_tool_result is not None}
        and when.response_format in {None, prompt.response_format}
        and (when.contains is None or when.contains in prompt.echo)
        and (when.anywhere is None or any(when.anywhere in text for text in prompt.texts))
        and all(prompt.headers.get(name) == value for name, value in when.header.items())
    )


def quote(template: str, rule: Rule, prompt: Prompt) -> str:
    """``template`` with its ``{...}`` replaced by what the request has."""
    return TEMPLATE.sub(lambda found: _quoted(found.group(1), rule, prompt), template)


def quote_all(value: Any, rule: Rule, prompt: Prompt) -> Any:
    """``quote`` for every string within a JSON value."""
    if isinstance(value, str):
        return quote(value, rule, prompt)
    if isinstance(value, list):
        return [quote_all(item, rule, prompt) for item in value]
    if isinstance(value, dict):
        return {name: quote_all(item, rule, prompt) for name, item in value.items()}
    return value


def _quoted(name: str, rule: Rule, prompt: Prompt) -> str:
    if name == "echo":
        return prompt.echo
    if name == "last_tool_result":
        return prompt.last_tool_result or MISSING
    if name.startswith("placeholder:"):
        return _first(re.compile(_PLACEHOLDER.format(category=name.removeprefix("placeholder:"))), prompt)
    return _first(rule.extract[name], prompt) if name in rule.extract else f"{{{name}}}"


def _first(pattern: re.Pattern[str], prompt: Prompt) -> str:
    found = next(filter(None, map(pattern.search, prompt.texts)), None)
    return found.group() if found else MISSING


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
