"""Requests on their way into litellm and answers on their way out: plain dicts on our side, with nothing of litellm's own in them. No litellm here.

What a caller sends never becomes an option of litellm, which takes addresses, keys and callbacks under the same roof as parameters: only the parameters of
OpenAI's API pass, and of those only what the provider takes. Everything else is refused by name, nothing is dropped.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping
from typing import Any, Final

from gateway.domain import Json
from gateway.errors import UpstreamRejected
from gateway.infrastructure.model_litellm_schemas import MOST_PARTS, writes_out_within

_OWN: Final = frozenset({"messages", "stream", "stream_options"})
"""Parameters that every provider takes."""

CHAT: Final = frozenset(
    {
        "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "modalities", "n",
        "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier", "seed",
        "service_tier", "stop", "store", "temperature", "thinking", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
    }
)  # fmt: skip
"""The parameters of chat completions that litellm takes by name, and ``thinking``."""

_NEUTRAL: Final[Mapping[str, object]] = {
    "n": 1, "logprobs": False, "top_logprobs": 0, "frequency_penalty": 0, "presence_penalty": 0, "store": False, "logit_bias": {}, "tools": [], "functions": []
}  # fmt: skip
"""Values that ask for nothing: they are left out where a provider does not know the parameter."""

_PARAMETER: Final = re.compile(r"[a-z]{1,24}(?:_[a-z]{1,24}){0,5}", re.ASCII)

_EMBEDDINGS: Final = frozenset({"input", "dimensions", "user"})

_MESSAGE: Final = ("tool_calls", "function_call", "refusal", "reasoning_content", "thinking_blocks", "annotations", "audio")
_ANSWER: Final = ("id", "created", "model", "system_fingerprint", "service_tier")
_USAGE: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS: Final = {"prompt_tokens_details": ("cached_tokens", "audio_tokens"), "completion_tokens_details": ("reasoning_tokens", "audio_tokens")}


def chat_arguments(body: Json, supported: frozenset[str], target: str) -> Json:
    """The arguments for litellm's call of a chat completion; ``supported`` are the parameters that the provider takes, by OpenAI's names.

    Raises:
        UpstreamRejected: a parameter, a kind of tool or of content that cannot be sent; ``param`` says which.
    """
    arguments: Json = {}
    for name, value in body.items():
        if name == "model" or value is None:
            continue
        if name not in _OWN and name not in CHAT & supported:
            if name in CHAT and value == _NEUTRAL.get(name):
                continue
            raise _unknown(target, name)
        arguments[name] = value
    _check_tools(arguments.get("tools"), target)
    for name in ("tools", "functions", "response_format"):
        if isinstance(arguments.get(name), (dict, list)) and not writes_out_within(arguments[name]):
            raise _rejected(target, name, f"takes no schemas of more than {MOST_PARTS} parts, references written out")
    _check_content(arguments.get("messages"), target)
    return arguments


def embedding_arguments(body: Json, target: str) -> Json:
    """The arguments for litellm's call of an embedding. The encoding is ours (``embeddings_from``): providers give numbers.

    Raises:
        UpstreamRejected: a parameter that cannot be sent.
    """
    for name, value in body.items():
        if name not in _EMBEDDINGS and name not in {"model", "encoding_format"} and value is not None:
            raise _unknown(target, name)
    if body.get("encoding_format") not in {None, "float", "base64"}:
        raise _rejected(target, "encoding_format", "knows the encodings float and base64 alone")
    return {name: body[name] for name in _EMBEDDINGS if body.get(name) is not None}


def completion_from(given: Json) -> Json:
    """The chat completion in litellm's answer."""
    choices = [_choice(choice, "message") for choice in given.get("choices") or []]
    return {"object": "chat.completion", **_kept(given, _ANSWER), "choices": choices, **_usage(given)}


def chunk_from(given: Json) -> Json:
    """The ``chat.completion.chunk`` in litellm's; one that brings usage alone has no choices."""
    choices = [_choice(choice, "delta") for choice in given.get("choices") or []]
    usage = _usage(given)
    if usage:
        choices = [choice for choice in choices if choice["delta"] or choice["finish_reason"] or choice.get("logprobs")]
    return {"object": "chat.completion.chunk", **_kept(given, _ANSWER), "choices": choices, **usage}


def embeddings_from(given: Json, asked: Json) -> Json:
    """The embeddings in litellm's answer, in the encoding that was asked for (``base64``: little-endian 32-bit floats, as OpenAI's API has it)."""
    data = []
    for index, entry in enumerate(given.get("data") or []):
        vector = entry.get("embedding")
        if asked.get("encoding_format") == "base64" and isinstance(vector, list):
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": entry.get("index", index), "embedding": vector})
    return {"object": "list", **_kept(given, ("model",)), "data": data, **_usage(given)}


def _choice(given: Json, part: str) -> Json:
    said = given.get(part) or {}
    kept = {name: said[name] for name in ("role", "content") if said.get(name)}
    if part == "message":
        kept = {"role": "assistant", "content": said.get("content")} | kept
    kept |= {name: said[name] for name in _MESSAGE if said.get(name)}
    if "tool_calls" in kept:
        kept["tool_calls"] = [_tool_call(call, ("index", "id", "type") if part == "delta" else ("id", "type")) for call in kept["tool_calls"]]
    choice = {"index": given.get("index", 0), part: kept, "finish_reason": given.get("finish_reason")}
    if given.get("logprobs"):
        choice["logprobs"] = given["logprobs"]
    return choice


def _tool_call(given: Json, names: tuple[str, ...]) -> Json:
    return {**_kept(given, names), "function": _kept(given.get("function") or {}, ("name", "arguments"))}


def _usage(given: Json) -> Json:
    """Usage as the provider told it; none where litellm, which is not to count, has nothing but zeros."""
    said = given.get("usage") or {}
    counts = {name: said.get(name) or 0 for name in _USAGE}
    if not any(counts.values()):
        return {}
    for name, parts in _DETAILS.items():
        details = _kept(said.get(name) or {}, parts)
        if details:
            counts[name] = details
    return {"usage": counts}


def _kept(given: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    return {name: given[name] for name in names if given.get(name) is not None}


def _check_tools(tools: Any, target: str) -> None:
    for index, tool in enumerate(tools if isinstance(tools, list) else []):
        if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
            raise _rejected(target, f"tools[{index}]", "takes functions alone as tools")


def _check_content(messages: Any, target: str) -> None:
    """Content stands in the request itself: litellm would fetch what an address points at, from within the gateway's network."""
    for index, message in enumerate(messages if isinstance(messages, list) else []):
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else []:
            if not isinstance(part, dict) or (part.get("type") != "text" and _points_elsewhere(part)):
                raise _rejected(target, f"messages[{index}]", "takes content that stands in the request alone (images as data: URLs), no addresses")


def _points_elsewhere(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_points_elsewhere(inner) for inner in value.values())
    if isinstance(value, list):
        return any(map(_points_elsewhere, value))
    return isinstance(value, str) and "://" in value[:64] and not value.startswith("data:")


def _unknown(target: str, name: str) -> UpstreamRejected:
    """``name`` is quoted if it has the form of a parameter: a caller can write anything there."""
    if _PARAMETER.fullmatch(name):
        return _rejected(target, name, f"takes no {name}")
    return UpstreamRejected(f"The target {target} does not take one of the request's parameters.", upstream_status=400)


def _rejected(target: str, param: str, what: str) -> UpstreamRejected:
    return UpstreamRejected(f"The target {target} {what}. Leave it out, or use a route whose target does.", upstream_status=400, param=param)
