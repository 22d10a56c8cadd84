"""What an upstream's answer means: whole answers checked, refusals turned into our errors. No network here.

An upstream's free text never gets into an error, as it may quote the prompt: only its status, and identifiers of a strict form (letters and underscores, so
that no number, address or credential has that form).
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import orjson

from gateway.domain import Json
from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamRateLimited, UpstreamRejected, UpstreamUnavailable

_IDENTIFIER = re.compile(r"[a-z]{2,24}(?:_[a-z]{1,24}){0,5}", re.ASCII)
_PARAMETER = re.compile(r"[a-z]{1,24}(?:_[a-z]{1,24}){0,5}(?:\[[0-9]{1,4}\])?", re.ASCII)
_DEEPEST_WRITTEN = 200
"""Below the 254 levels that orjson writes; it reads 1,024."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}", re.ASCII)
_CONTEXT_LENGTH = "upstream.context_length"
"""The request is too long for this model; it may fit into another's context window."""
_SECONDS = re.compile(r"[0-9]{1,6}", re.ASCII)


def answer_of(raw: bytes, target: str) -> Json:
    """The chat completion in ``raw``: a JSON object whose ``choices`` are one or more objects with a ``message``.

    Raises:
        UpstreamMalformed: it is anything else.
    """
    body = _object_of(raw, target)
    problem = _problem_of(body.get("choices")) or ("its answer nests too deeply" if too_deep(raw, body) else None)
    if problem is not None:
        raise malformed(target, problem)
    return body


def embeddings_of(raw: bytes, target: str) -> Json:
    """The embeddings in ``raw``: a JSON object whose ``data`` are one or more objects with an ``embedding``, which is a list of numbers or the base64 of one.

    Raises:
        UpstreamMalformed: it is anything else.
    """
    body = _object_of(raw, target)
    data = body.get("data")
    if type(data) is not list or not data:
        raise malformed(target, "its answer has no data")
    if not all(type(entry) is dict and _is_embedding(entry.get("embedding")) and type(entry.get("index", 0)) is int for entry in data):
        raise malformed(target, "an embedding of its answer is neither a list of numbers nor base64")
    if type(body.get("usage") or {}) is not dict:
        raise malformed(target, "the usage of its answer is not an object")
    if too_deep(raw, body):
        raise malformed(target, "its answer nests too deeply")
    return body


def _is_embedding(value: Any) -> bool:
    if type(value) is str:
        return len(value) % 4 == 0 and bool(_BASE64.fullmatch(value))
    return type(value) is list and bool(value) and all(type(number) in {float, int} for number in value)


def _object_of(raw: bytes, target: str) -> Json:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise malformed(target, "its answer is not JSON") from None
    if type(body) is not dict:
        raise malformed(target, "its answer is not a JSON object")
    if body.get("error") is not None:
        raise malformed(target, f"it answered 200 with an error{_quoted(body)}")
    return body


def _problem_of(choices: Any) -> str | None:
    if type(choices) is not list or not choices:
        return "its answer has no choices"
    for choice in choices:
        if type(choice) is not dict or type(choice.get("message")) is not dict:
            return "a choice of its answer has no message"
        if not _is_sound(choice["message"]) or type(choice.get("finish_reason") or "") is not str:
            return "a choice of its answer has a finish_reason or tool calls of another form"
    return None


def note_chunk(chunk: Any, open_choices: set[int], finished: set[int]) -> str | None:
    """Check one ``chat.completion.chunk`` and note which choices it opens and finishes; a missing ``index`` or ``delta`` is made up for.

    Returns:
        What is wrong with the chunk, or ``None``.
    """
    if type(chunk) is not dict:
        return "a chunk of its stream is not a JSON object"
    choices = chunk.get("choices")
    if "error" in chunk and chunk["error"] is not None:
        return f"it sent an error within its stream{_quoted(chunk)}"
    if type(choices) is not list:
        return "a chunk of its stream has no choices"
    for choice in choices:
        if type(choice) is not dict or type(choice.get("delta")) is not dict or type(choice.get("index")) is not int:
            problem = _made_up_for(choice)
            if problem is not None:
                return problem
        reason = choice.get("finish_reason")
        if not _noted(choice, reason, open_choices, finished):
            return "a finish_reason of its stream is not a string"
    return None


def _noted(choice: Json, reason: Any, open_choices: set[int], finished: set[int]) -> bool:
    if reason is not None and type(reason) is not str:
        return False
    if reason:
        finished.add(choice["index"])
    else:
        choice["finish_reason"] = None  # some servers send an empty text, chunk by chunk, until there is one
        open_choices.add(choice["index"])
    return True


def refusal(status: int, raw: bytes, retry_after: str | None, target: str) -> UpstreamError:
    """The error for an answer whose status is not 200; ``raw`` is (the beginning of) its body, ``retry_after`` that header's value."""
    said = _quoted(_parsed(raw))
    param = _param(raw)
    if status == 429:
        return UpstreamRateLimited(
            f"The target {target} is limiting its callers{said}. Try again later.", upstream_status=status, headers=_retry_after(retry_after)
        )
    if status in {401, 403}:
        return UpstreamRejected(f"The target {target} did not accept the gateway's own credentials{said}. Check the target's api_key.", upstream_status=status)
    if 400 <= status < 500:
        code = _CONTEXT_LENGTH if _error_object(_parsed(raw)).get("code") == "context_length_exceeded" else None
        return UpstreamRejected(f"The target {target} rejected the request with status {status}{said}.", upstream_status=status, param=param, code=code)
    if status >= 500:
        return UpstreamUnavailable(f"The target {target} failed with status {status}{said}.", upstream_status=status, headers=_retry_after(retry_after))
    return malformed(target, f"it answered with status {status}, which is no answer to a call", status)


def malformed(target: str, what: str, status: int = 200, *, cut: bool = False) -> UpstreamMalformed:
    """The error for an answer that is not what an OpenAI-compatible server sends; ``cut`` where it ended too early."""
    return UpstreamMalformed(f"The target {target} did not give a usable answer: {what}.", upstream_status=status, code="upstream.cut" if cut else None)


def too_deep(raw: bytes, value: Any) -> bool:
    """Whether ``value``, parsed from ``raw``, nests too deeply to be written again. No text nests deeper than it has opening brackets."""
    if raw.count(b"{") + raw.count(b"[") < _DEEPEST_WRITTEN:
        return False
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False


def _is_sound(message: Json) -> bool:
    """Whether what a message calls can be told from it."""
    calls, legacy = message.get("tool_calls"), message.get("function_call")
    if calls is not None and not (type(calls) is list and all(type(call) is dict and type(call.get("function") or {}) is dict for call in calls)):
        return False
    return legacy is None or type(legacy) is dict


def _made_up_for(choice: Any) -> str | None:
    """Give a streamed choice the index and delta that it lacks; what is wrong with it otherwise."""
    if type(choice) is not dict:
        return "a choice of its stream is not an object"
    choice.setdefault("index", 0)
    if choice.get("delta") is None:
        choice["delta"] = {}
    return None if type(choice["index"]) is int and type(choice["delta"]) is dict else "a choice of its stream has no proper index and delta"


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _error_object(body: Any) -> Json:
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _quoted(body: Any) -> str:
    error = _error_object(body)
    known = [f"{name}: {error[name]}" for name in ("type", "code") if isinstance(error.get(name), str) and _IDENTIFIER.fullmatch(error[name])]
    return f" ({', '.join(known)})" if known else ""


def _param(raw: bytes) -> str | None:
    param = _error_object(_parsed(raw)).get("param")
    return param if isinstance(param, str) and _PARAMETER.fullmatch(param) else None


def _retry_after(value: str | None) -> dict[str, str]:
    """The header to hand on, if ``value`` is a number of seconds or an HTTP date (RFC 9110, section 10.2.3)."""
    if value is None or len(value) > 40:
        return {}
    if not _SECONDS.fullmatch(value):
        try:
            value = format_datetime(parsedate_to_datetime(value).astimezone(UTC), usegmt=True)
        except (ValueError, OverflowError):
            return {}
    return {"Retry-After": value}
