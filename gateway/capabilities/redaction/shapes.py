"""Where ids, texts, JSON texts and media stand in a request of OpenAI's chat or embeddings, and in an answer of its chat.

A shape is a mapping from a key to the shape of its value, or a ``Role`` for a value. What has no shape is free-form: every string, every long number
and every key of it is scanned, strings and numbers under the key that they stand under as a cue. A list has the shape of its elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, TypeAlias


class Role(IntEnum):
    """What a value is to redaction."""

    FREE = 0
    TEXT = 1
    """Prose: the key that it stands under is no cue."""
    JSON = 2
    """A JSON text in a string."""
    IDENTIFIER = 3
    """What is found in it is replaced as a whole by an alias, so that it stays legal."""
    CONSTANT = 4
    """A word of the protocol, scanned only if it is not one that is known."""
    CONTENT = 5
    """Prose, or a list of content parts; a list of integers is tokens."""
    IMAGE = 6
    AUDIO = 7
    FILE = 8
    """Media that nobody can scan: a data URL or base64."""
    NUMBER = 9
    """Numbers of the protocol, which are no findings however long; anything else there is free-form."""
    LOGPROBS = 10
    """Log probabilities, which spell the text and go when it is touched."""


Fields: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = Fields | Role
"""``Any`` is a ``Shape`` again."""

MEDIA_KINDS = {Role.IMAGE: "image", Role.AUDIO: "audio", Role.FILE: "file"}

FUNCTION_CALL: Fields = {"name": Role.IDENTIFIER, "arguments": Role.JSON}
TOOL_CALL: Fields = {
    "index": Role.NUMBER,
    "id": Role.IDENTIFIER,
    "type": Role.CONSTANT,
    "function": FUNCTION_CALL,
    "custom": {"name": Role.IDENTIFIER, "input": Role.TEXT},
}
PART: Fields = {
    "type": Role.CONSTANT,
    "text": Role.TEXT,
    "refusal": Role.TEXT,
    "image_url": {"url": Role.IMAGE, "": Role.IMAGE},
    "input_audio": {"data": Role.AUDIO, "format": Role.CONSTANT},
    "file": {"file_data": Role.FILE, "file_id": Role.IDENTIFIER},
}
"""The empty key gives the shape of a value that is a bare string."""
MEDIA_PARTS = {"image_url": "image", "input_audio": "audio", "file": "file"}
TEXT_PARTS = frozenset({"text", "refusal", "input_text", "output_text"})

MESSAGE: Fields = {
    "role": Role.CONSTANT,
    "content": Role.CONTENT,
    "name": Role.IDENTIFIER,
    "id": Role.IDENTIFIER,
    "tool_call_id": Role.IDENTIFIER,
    "tool_calls": TOOL_CALL,
    "function_call": FUNCTION_CALL,
    "refusal": Role.TEXT,
    "audio": {"id": Role.IDENTIFIER, "data": Role.AUDIO, "transcript": Role.TEXT, "expires_at": Role.NUMBER},
}
_NAMED: Fields = {"name": Role.IDENTIFIER}
_TOOL: Fields = {"type": Role.CONSTANT, "function": _NAMED, "custom": _NAMED}
REQUEST: Fields = {
    "messages": MESSAGE,
    "tools": _TOOL,
    "functions": _NAMED,
    "tool_choice": {"": Role.CONSTANT, **_TOOL, "allowed_tools": {"mode": Role.CONSTANT, "tools": _TOOL}},
    "function_call": {"": Role.CONSTANT, **_NAMED},
    "response_format": {"type": Role.CONSTANT, "json_schema": _NAMED},
    "prediction": {"type": Role.CONSTANT, "content": Role.CONTENT},
    "audio": {"voice": Role.CONSTANT, "format": Role.CONSTANT},
    "modalities": Role.CONSTANT,
    "prompt": Role.CONTENT,
    "input": Role.CONTENT,
    "encoding_format": Role.CONSTANT,
    "model": Role.CONSTANT,
}

KNOWN_PARAMETERS = frozenset(REQUEST) | {
    "dimensions", "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "metadata", "n", "parallel_tool_calls",
    "presence_penalty", "prompt_cache_key", "reasoning_effort", "safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options",
    "temperature", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
}  # fmt: skip
"""The parameters of the chat completions and embeddings APIs: their names may stand in a finding's ``where``."""

PLAIN_KEYS = KNOWN_PARAMETERS | {
    "$defs", "$ref",
    "additionalProperties", "anyOf", "cache_control", "default", "description", "detail", "enum", "filename", "format", "function", "items",
    "json_schema", "maxLength", "maximum", "minLength", "minimum",
    "parameters", "pattern", "properties", "reasoning", "reasoning_content", "required", "schema",
    "strict", "text", "title", "type", "url", "include_usage", "annotations",
}  # fmt: skip
"""Keys of protocols and JSON schema that need no scan of their own."""

CONSTANTS = frozenset({
    "system", "developer", "user", "assistant", "tool", "function", "custom", "text", "image_url", "input_audio", "file", "refusal", "auto", "none", "required",
    "json_object", "json_schema", "allowed_tools", "content", "audio", "stop", "length", "tool_calls", "content_filter", "function_call", "object", "string",
    "number", "integer", "boolean", "array", "null", "chat.completion", "chat.completion.chunk", "default", "wav", "mp3", "float", "base64",
})  # fmt: skip
"""Words of the protocol."""

_CHOICE: Fields = {"index": Role.NUMBER, "finish_reason": Role.CONSTANT, "logprobs": Role.LOGPROBS, "message": MESSAGE}
ANSWER: Fields = {
    "id": Role.IDENTIFIER,
    "object": Role.CONSTANT,
    "created": Role.NUMBER,
    "model": Role.CONSTANT,
    "system_fingerprint": Role.IDENTIFIER,
    "service_tier": Role.CONSTANT,
    "usage": Role.NUMBER,
    "choices": _CHOICE,
}
"""A complete chat completion; its choices, but for the message, and the frame of a chunk are the same."""
JSON_ANSWER: Fields = {**ANSWER, "choices": {**_CHOICE, "message": {**MESSAGE, "content": Role.JSON}}}
"""The same where the caller asked for content that is JSON."""
