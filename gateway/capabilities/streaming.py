"""Chat completion streams: their events, their shape, and their finish, which the gateway holds back until it may leave."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Any

import orjson

from gateway.domain import Json
from gateway.errors import GatewayError, UpstreamMalformed

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
_ENVELOPE = ("id", "object", "created", "model", "system_fingerprint", "service_tier")


def event(chunk: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def error_event(error: GatewayError) -> bytes:
    """The event that ends a broken stream. There is no ``[DONE]`` after it: clients must not take what they have for whole."""
    return event({"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.reason_code}})


def checked_chunk(chunk: Json) -> Json:
    """The chunk, if it has the shape of a ``chat.completion.chunk``.

    Raises:
        UpstreamMalformed: It has not.
    """
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        raise UpstreamMalformed("the target sent a stream event without choices")
    for choice in choices:
        delta = choice.get("delta") if type(choice) is dict else None
        if type(delta) is not dict or type(choice.get("index", 0)) is not int:
            raise UpstreamMalformed("the target sent a stream event with a malformed choice")
        if "tool_calls" in delta and not _tool_calls_are_sound(delta["tool_calls"]):
            raise UpstreamMalformed("the target sent a stream event with a malformed tool call")
    return chunk


def _tool_calls_are_sound(calls: object) -> bool:
    if calls is None:
        return True
    return isinstance(calls, list) and all(
        isinstance(call, dict) and type(call.get("index", 0)) is int and isinstance(call.get("function") or {}, dict) for call in calls
    )


class FinishHolder:
    """Takes finish reasons and usage out of the chunks that pass, and makes the final events of them."""

    def __init__(self) -> None:
        self.usage: Any = None
        """Usage as the provider last reported it."""
        self.envelope: Json = {}
        """What every chunk of the stream says of the stream: id, model and the like."""
        self._finishes: dict[int, str] = {}

    def take(self, chunk: Json) -> Json | None:
        """What of a chunk may leave now; ``None`` where nothing is left of it."""
        chunk.pop("gateway", None)  # only the gateway speaks for itself
        usage = chunk.pop("usage", None)
        if usage is not None:
            self.usage = usage
        if not self.envelope:
            self.envelope = {name: chunk[name] for name in _ENVELOPE if name in chunk}
        keep = False
        for choice in chunk["choices"]:
            reason = choice.get("finish_reason")
            if reason is not None:
                self._finishes[choice.get("index", 0)] = reason
                choice["finish_reason"] = None
            if choice["delta"] or choice.get("logprobs") is not None:
                keep = True
        return chunk if keep else None

    def completion(self, choices: list[Json]) -> Json:
        """The stream as a complete answer: its envelope, and ``choices`` as they were assembled."""
        whole = [{"index": choice["index"], "finish_reason": choice.get("finish_reason"), "message": choice} for choice in choices]
        return {**self.envelope, "choices": whole, "usage": self.usage}

    def finals(self, gateway: Json, *, include_usage: bool) -> bytes:
        """The finish of each choice, the ``gateway`` object on the last of them, usage if it was asked for, and the end mark."""
        chunks = [
            {**self.envelope, "choices": [{"index": index, "delta": {}, "logprobs": None, "finish_reason": reason}]}
            for index, reason in sorted(self._finishes.items())
        ]
        chunks[-1]["gateway"] = gateway
        if include_usage:
            chunks.append({**self.envelope, "choices": [], "usage": self.usage})
        return b"".join([*map(event, chunks), DONE])


def gather(chunks: Iterable[Json]) -> Json:
    """The complete answer that a stream's chunks make up, as a non-streamed call would have brought it."""
    envelope: Json = {}
    choices: dict[int, Json] = {}
    usage: Any = None
    for chunk in chunks:
        envelope = envelope or {name: chunk[name] for name in _ENVELOPE if name in chunk}
        usage = chunk.get("usage") or usage
        for part in chunk["choices"]:
            known = {"index": part.get("index", 0), "message": _Fields(role="assistant"), "finish_reason": None}
            choice = choices.setdefault(known["index"], known)
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
            _add(choice["message"], part["delta"])
            if part.get("logprobs") is not None:
                choice["logprobs"] = _joined(choice.get("logprobs"), part["logprobs"])
    return {**envelope, "object": "chat.completion", "choices": [_whole(_Fields(choices[index])) for index in sorted(choices)], "usage": usage}


def chunks_of(answer: Json) -> list[Json]:
    """The chunks of a stream that brings a complete answer: one with what each choice says, one with its finish."""
    envelope = {**{name: answer[name] for name in _ENVELOPE if name in answer}, "object": "chat.completion.chunk"}
    said = [
        {"index": choice["index"], "delta": _delta(choice["message"]), "logprobs": choice.get("logprobs"), "finish_reason": None}
        for choice in answer["choices"]
    ]
    finishes = [{"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]} for choice in answer["choices"]]
    return [{**envelope, "choices": said}, {**envelope, "choices": finishes, "usage": answer.get("usage")}]


def _delta(message: Json) -> Json:
    calls = [{"index": index, **call} for index, call in enumerate(message.get("tool_calls") or ())]
    said = {name: value for name, value in message.items() if value is not None and name != "tool_calls"}
    return {**said, "tool_calls": calls} if calls else said


def _add(message: Json, delta: Json) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            _add_tool_calls(message.setdefault("tool_calls", _Items()), value or [])
        elif name == "role" or message.get(name) is None:
            message[name] = value if value is not None else message.get(name)
        elif value is not None:
            message[name] = _joined(message[name], value)


class _Items(list[Any]):
    """A list of ours, which grows where it is."""


class _Fields(dict[str, Any]):
    """An object of ours, whose values grow."""

    def grow(self, more: Json) -> None:
        """Join each value of ``more`` to the one of the same name."""
        for name, value in more.items():
            self[name] = _joined(self[name], value) if name in self else value


def _joined(known: Any, more: Any) -> Any:
    """A part of a message with what a later chunk says of it, so that nothing that was said is lost.

    It grows by what is added, as a long answer has many chunks: to copy what is there with each would take time in the square of them. ``_whole`` ends it.
    """
    if isinstance(more, str) and isinstance(known, str | StringIO):
        text = _text(known)
        text.write(more)
        return text
    if isinstance(more, list) and isinstance(known, list):
        items = known if isinstance(known, _Items) else _Items(known)
        items.extend(more)
        return items
    if isinstance(more, dict) and isinstance(known, dict):
        fields = known if isinstance(known, _Fields) else _Fields(known)
        fields.grow(more)
        return fields
    return known if more is None else more


def _text(known: str | StringIO) -> StringIO:
    if isinstance(known, StringIO):
        return known
    text = StringIO()
    text.write(known)
    return text


def _whole(value: Any) -> Any:
    """What has grown, as plain JSON."""
    if isinstance(value, StringIO):
        return value.getvalue()
    if isinstance(value, _Items):
        return [_whole(item) for item in value]
    return {name: _whole(inner) for name, inner in value.items()} if isinstance(value, _Fields) else value


def _add_tool_calls(calls: list[Json], parts: list[Json]) -> None:
    for part in parts:
        index = part.get("index", 0)
        call = next((known for known in calls if known["index"] == index), None)
        if call is None:
            call = _Fields(index=index, function=_Fields(name="", arguments=""))
            calls.append(call)
        call |= {name: value for name, value in part.items() if name not in {"index", "function"} and value is not None}
        function = part.get("function") or {}
        for name in ("name", "arguments"):
            call["function"][name] = _joined(call["function"][name], function.get(name) or "")
