"""The bodies and the stream of an ordinary answer, shaped as OpenAI's."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.domain import Json
from gateway.simulated.prompt import Prompt, quote, quote_all
from gateway.simulated.script import DEFAULT_LOGPROB, GivenUsage, Rule

DONE = b"data: [DONE]\n\n"

_MAX_CHOICES = 16
_ABSURD_USAGE: Json = {"prompt_tokens": -1, "completion_tokens": 10**18, "total_tokens": "many"}

_serial = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model says: the same in every choice."""

    id: str
    model: str
    created: int
    pieces: tuple[str, ...]
    """The text in chunks; empty where only tools are called or the model refuses."""
    refusal: tuple[str, ...]
    """The words of a refusal in chunks."""
    tool_calls: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Id, name, and the arguments as JSON text in chunks."""
    finish_reason: str
    choices: int
    usage: Json | None
    logprobs: tuple[float, ...]
    """Of the chunks in turn; empty where none are given."""


def answer_for(rule: Rule, prompt: Prompt) -> Answer:
    """What ``rule`` answers to ``prompt``. Which of several replies it is has been chosen before."""
    pieces = _pieces(rule, prompt)
    refusal = _split(quote(rule.refusal, rule, prompt), rule.chunks) if rule.refusal is not None else ()
    number = next(_serial)
    calls = tuple(
        (f"call_{number}_{at}", call.name, _split(_dump(quote_all(call.arguments, rule, prompt)).decode(), rule.chunks))
        for at, call in enumerate(rule.tool_calls)
    )
    asked = prompt.body.get("n")
    return Answer(
        id=f"chatcmpl-simulated-{number}",
        model=prompt.model,
        created=int(time.time()),
        pieces=pieces,
        refusal=refusal,
        tool_calls=calls,
        finish_reason=rule.finish_reason or ("tool_calls" if calls else "stop"),
        choices=min(max(rule.choices, asked if type(asked) is int else 1), _MAX_CHOICES),
        usage=_usage(rule, prompt, sum(map(len, pieces + refusal)) + sum(len(part) for _, _, arguments in calls for part in arguments)),
        logprobs=rule.logprobs or ((DEFAULT_LOGPROB,) if prompt.body.get("logprobs") is True else ()),
    )


def whole(answer: Answer) -> bytes:
    """The body of an answer that is not streamed."""
    message: Json = {"role": "assistant", "content": "".join(answer.pieces) if answer.pieces else None, "refusal": "".join(answer.refusal) or None}
    if answer.tool_calls:
        message["tool_calls"] = [
            {"id": call, "type": "function", "function": {"name": name, "arguments": "".join(arguments)}} for call, name, arguments in answer.tool_calls
        ]
    logprobs = _logprobs(answer.pieces, answer.logprobs, 0) if answer.logprobs else None
    choices = [{"index": index, "message": message, "logprobs": logprobs, "finish_reason": answer.finish_reason} for index in range(answer.choices)]
    body: Json = {**_head(answer, "chat.completion"), "choices": choices}
    if answer.usage is not None:
        body["usage"] = answer.usage
    return _dump(body)


def events(answer: Answer, *, include_usage: bool) -> Iterator[bytes]:
    """The events of a streamed answer, in order, the last one ``[DONE]``: a role, the text, the tool calls, the finish, usage if asked for."""
    head = _head(answer, "chat.completion.chunk")
    if include_usage:
        head["usage"] = None
    said = 0
    for delta, text in _deltas(answer):
        logprobs = _logprobs((text,), answer.logprobs, said) if answer.logprobs and text else None
        said += bool(text)
        for index in range(answer.choices):
            yield event({**head, "choices": [{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}]})
    for index in range(answer.choices):
        yield event({**head, "choices": [{"index": index, "delta": {}, "logprobs": None, "finish_reason": answer.finish_reason}]})
    if include_usage and answer.usage is not None:
        yield event({**head, "choices": [], "usage": answer.usage})
    yield DONE


def event(value: Any) -> bytes:
    """``value`` as one server-sent event."""
    return b"data: " + _dump(value) + b"\n\n"


def error_body(message: str, code: str, kind: str = "server_error") -> Json:
    """An error in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def model_list(models: tuple[str, ...]) -> Json:
    """The answer to ``/v1/models``."""
    return {"object": "list", "data": [{"id": model, "object": "model", "created": 0, "owned_by": "simulated"} for model in models]}


def _head(answer: Answer, kind: str) -> Json:
    return {"id": answer.id, "object": kind, "created": answer.created, "model": answer.model, "system_fingerprint": "simulated"}


def _deltas(answer: Answer) -> Iterator[tuple[Json, str]]:
    yield {"role": "assistant", "content": "" if answer.pieces else None}, ""
    for piece in answer.pieces:
        yield {"content": piece}, piece
    for piece in answer.refusal:
        yield {"refusal": piece}, ""
    for at, (call, name, arguments) in enumerate(answer.tool_calls):
        yield {"tool_calls": [{"index": at, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}]}, ""
        for part in arguments:
            yield {"tool_calls": [{"index": at, "function": {"arguments": part}}]}, ""


def _pieces(rule: Rule, prompt: Prompt) -> tuple[str, ...]:
    if isinstance(rule.chunks, tuple):
        return tuple(quote(piece, rule, prompt) for piece in rule.chunks)
    return () if rule.reply is None else _split(quote(rule.reply, rule, prompt), rule.chunks) or ("",)


def _split(text: str, size: int | tuple[str, ...]) -> tuple[str, ...]:
    step = size if isinstance(size, int) else 8
    return tuple(text[at : at + step] for at in range(0, len(text), step))


def _usage(rule: Rule, prompt: Prompt, answered: int) -> Json | None:
    if rule.usage == "omitted":
        return None
    if rule.usage == "absurd":
        return _ABSURD_USAGE
    given = rule.usage if isinstance(rule.usage, GivenUsage) else GivenUsage(input=sum(map(len, prompt.texts)) // 4 + 1, output=answered // 4 + 1)
    return {
        "prompt_tokens": given.input,
        "completion_tokens": given.output,
        "total_tokens": given.input + given.output,
        "prompt_tokens_details": {"cached_tokens": given.cached},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _logprobs(pieces: tuple[str, ...], values: tuple[float, ...], first: int) -> Json:
    """``values`` in turn, for pieces of which the first has the number ``first`` in the answer."""
    content = [
        {"token": piece, "logprob": values[(first + at) % len(values)], "bytes": list(piece.encode()), "top_logprobs": []} for at, piece in enumerate(pieces)
    ]
    return {"content": content, "refusal": None}


def _dump(value: Any) -> bytes:
    return orjson.dumps(value)
