"""How an answer goes wrong. Each fault does to the connection what the failing provider would do.

status: N        an error with that status, which quotes the prompt, as real ones do; retry_after adds the header
reset            before (no byte of an answer) | middle: TCP reset
slow             header | first_token | middle: hangs there for hang_s, then goes on
malformed        json | sse | html | http | content_type | encoding | error_body | error_event | no_choices | not_object | wrong_kind | long_event
cut              no_finish (ends well-formed, half way) | no_done (all but [DONE]) | close (the connection ends half way)
huge: N          an answer with N more bytes of text
content          a good answer that says the wrong thing: html (an error page) | prose | empty | nothing (null) | fenced (prose and a fence around the reply)
                 | half (of the reply, finish_reason length)
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from aiohttp import web

from gateway.domain import Json
from gateway.simulated.answers import DONE, error_body, event
from gateway.simulated.prompt import Prompt
from gateway.simulated.script import Fault, Rule

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

_PART = 32_768


class Hang:
    """A part of an answer that takes ``seconds`` and has no bytes."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Reset:
    """A part of an answer that ends the connection by a TCP reset."""


class Close:
    """A part of an answer that ends the connection without ending the answer."""


Part = bytes | Hang | Reset | Close
"""What an answer is made of, in order."""


def status_response(fault: Fault, prompt: Prompt, dump: Callable[[object], bytes]) -> web.Response:
    """The error of a ``status`` fault."""
    status = int(fault.value)
    code = {400: "invalid_prompt", 401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status, "simulated_failure")
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    body = error_body(f"Simulated {status} for the prompt: {prompt.echo}", code, "server_error" if status >= 500 else "invalid_request_error")
    return web.Response(status=status, headers=headers, body=dump(body), content_type=JSON)


def spoil(fault: Fault, parts: list[bytes], *, stream: bool) -> tuple[str, list[Part]]:
    """The content type and the parts to send in place of ``parts`` (a stream's events, or the whole body as one)."""
    good = EVENTS if stream else JSON
    if fault.kind == "malformed":
        return _MALFORMED[str(fault.value)](parts, stream)
    if fault.kind == "huge":
        return good, _huge(int(fault.value), parts, stream=stream)
    before, after = _halves(parts)
    if fault.kind == "slow":
        at_start = fault.value == "first_token"
        return good, [Hang(fault.hang_s), *parts] if at_start else [*before, Hang(fault.hang_s), *after]
    if fault.kind == "reset":
        return good, [*before, Reset()]
    if fault.value == "no_done" and stream:
        return good, list(parts[:-1])
    return good, list(before) if fault.value == "no_finish" else [*before, Close()]


def wrong_content(fault: Fault, rule: Rule) -> Rule:
    """A rule that says what a ``content`` fault makes of the reply of ``rule``."""
    reply = _CONTENT[str(fault.value)](rule.reply or "")
    return replace(rule, reply=reply, chunks=8, refusal=None, tool_calls=(), finish_reason="length" if fault.value == "half" else rule.finish_reason)


_CONTENT: Final[dict[str, Callable[[str], str | None]]] = {
    "html": lambda _reply: "<html><body>Simulated proxy: bad gateway</body></html>",
    "prose": lambda _reply: "Simulated prose: let us talk about something else.",
    "empty": lambda _reply: "",
    "nothing": lambda _reply: None,
    "fenced": lambda reply: f"Here it is:\n\n```json\n{reply}\n```\n\nAnything else?",
    "half": lambda reply: reply[: len(reply) // 2],
}


def reset(request: web.BaseRequest) -> None:
    """End the request's connection by a TCP reset."""
    transport = request.transport
    if transport is not None:
        opened = transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def close(request: web.BaseRequest) -> None:
    """End the request's connection in good order, though the answer has not ended."""
    if request.transport is not None:
        request.transport.close()


async def write(request: web.BaseRequest, response: web.StreamResponse, part: Part) -> bool:
    """Send one part; ``False`` if it ended the connection."""
    if isinstance(part, bytes):
        await response.write(part)
    elif isinstance(part, Hang):
        await asyncio.sleep(part.seconds)
    elif isinstance(part, Reset):
        await asyncio.sleep(0.02)  # lets the bytes before it reach the other side
        reset(request)
        return False
    else:
        close(request)
        return False
    return True


def _halves(parts: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    if len(parts) == 1:
        middle = len(parts[0]) // 2
        return [parts[0][:middle]], [parts[0][middle:]]
    middle = max(1, (len(parts) - 2) // 2)
    return parts[:middle], parts[middle:]


def _huge(size: int, parts: list[bytes], *, stream: bool) -> list[Part]:
    filler = b"x" * _PART
    if not stream:
        before, after = parts[0].split(b'"content":"', 1)
        return [before, b'"content":"', *([filler] * (size // _PART)), b"x" * (size % _PART), after]
    chunk = event({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": filler.decode()}, "finish_reason": None}]})
    return [parts[0], *([chunk] * max(1, size // _PART)), *parts[1:]]


def _broken_json(parts: list[bytes], stream: bool) -> tuple[str, list[Part]]:
    return (EVENTS, [parts[0], b'data: {"choices": [}\n\n', DONE]) if stream else (JSON, [parts[0][:-3] + b",,}"])


def _not_events(parts: list[bytes], stream: bool) -> tuple[str, list[Part]]:
    return (EVENTS if stream else JSON), [part.removeprefix(b"data: ").rstrip() for part in parts] if stream else [b"data: ", *parts, b"\n\n"]


def _error_event(parts: list[bytes], stream: bool) -> tuple[str, list[Part]]:
    error = error_body("Simulated failure within an answer", "simulated_failure")
    return (EVENTS, [*_halves(parts)[0], event(error), DONE]) if stream else (JSON, [_plain(error)])


def _no_choices(_parts: list[bytes], stream: bool) -> tuple[str, list[Part]]:
    body: Json = {"id": "chatcmpl-simulated", "object": "chat.completion.chunk" if stream else "chat.completion", "choices": []}
    return (EVENTS, [event(body), DONE]) if stream else (JSON, [_plain(body)])


def _long_event(parts: list[bytes], stream: bool) -> tuple[str, list[Part]]:
    return (EVENTS if stream else JSON), [parts[0], b"data: ", *([b"x" * _PART] * 160)]


def _plain(value: object) -> bytes:
    return event(value).removeprefix(b"data: ").rstrip()


_MALFORMED: Final[dict[str, Callable[[list[bytes], bool], tuple[str, list[Part]]]]] = {
    "json": _broken_json,
    "sse": _not_events,
    "html": lambda _parts, _stream: ("text/html", [b"<html><body>Simulated proxy: bad gateway</body></html>"]),
    "http": lambda _parts, _stream: ("", [b"This is not HTTP\r\n\r\n"]),
    "content_type": lambda parts, _stream: ("text/plain", list(parts)),
    "encoding": lambda parts, stream: (EVENTS, [parts[0], b'data: {"choices": [], "x": "\xff"}\n\n', DONE]) if stream else (JSON, [b'{"x": "\xff"}']),
    "error_body": lambda _parts, _stream: (JSON, [_plain(error_body("Simulated failure with status 200", "simulated_failure"))]),
    "error_event": _error_event,
    "no_choices": _no_choices,
    "not_object": lambda _parts, stream: (EVENTS, [event([]), DONE]) if stream else (JSON, [b"[]"]),
    "wrong_kind": lambda parts, stream: (JSON if stream else EVENTS, list(parts)),
    "long_event": _long_event,
}
