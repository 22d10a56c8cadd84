"""What a client saw of an answer, read from its bytes: nothing here is shared with the gateway, so that the comparison is one of two readings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from gateway.domain import Json
from tests.chaos.wire import Answer

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_RECORD = re.compile(rb"\r\nx-gateway-record: *(\S+)", re.IGNORECASE)
_JSON = re.compile(rb"\r\ncontent-type: *application/json", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One call as its client saw it."""

    status: int
    """0 where no head came."""
    record: str | None
    """``x-gateway-record``."""
    complete: bool
    """The whole JSON, or a stream with its finish and its end mark."""
    finished: bool
    """A finish reason was seen."""
    error: str | None
    """The code of an error: of the body, or of the event that ended the stream."""
    choices: list[Json]
    """What came of the answer, in the form of which records keep the digest."""
    gateway: Json = field(default_factory=dict)
    """What the gateway says of it, beside what the model does."""
    body: Json | None = None
    """The whole JSON, where that is what came."""

    @property
    def text(self) -> str:
        """The content of the first choice."""
        return str(self.choices[0]["content"] or "") if self.choices else ""


def read(answer: Answer) -> Seen:
    """What an answer's bytes say."""
    head, end, rest = answer.raw.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if status is None or not end:
        return Seen(status=0, record=None, complete=False, finished=False, error=None, choices=[])
    record = _RECORD.search(head)
    chunked = _CHUNKED.search(head) is not None
    streamed = chunked and _JSON.search(head) is None  # JSON comes in chunks after whitespace that kept the connection alive
    content = _unchunked(rest) if chunked else rest
    events = list(_events(content)) if streamed else [content] if answer.whole else []
    bodies: list[Json] = [orjson.loads(event) for event in events if event != b"[DONE]"]
    choices = _gathered(bodies) if streamed else [choice for body in bodies for choice in choices_of(body)]
    finished = bool(choices) and all(choice["finish_reason"] for choice in choices)
    return Seen(
        status=int(status[1]),
        record=record[1].decode() if record else None,
        complete=finished and (b"[DONE]" in events if streamed else answer.whole),
        finished=finished,
        error=next((body["error"].get("code") for body in bodies if body.get("error")), None),
        choices=choices,
        gateway=next((body["gateway"] for body in bodies if body.get("gateway")), {}),
        body=bodies[0] if bodies and not streamed else None,
    )


def choices_of(body: Json) -> list[Json]:
    """The choices of a whole answer, in the form of which records keep the digest."""
    return [_choice(choice["message"], choice) for choice in body.get("choices", ())]


def _unchunked(rest: bytes) -> bytes:
    """The bytes within HTTP chunks, also those of a chunk that broke off."""
    parts: list[bytes] = []
    at = 0
    while (end := rest.find(b"\r\n", at)) > 0:
        size = int(rest[at:end], 16)
        parts.append(rest[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


def _events(stream: bytes) -> Iterator[bytes]:
    """The data of each event that came whole."""
    for event in stream.split(b"\n\n")[:-1]:
        if event.startswith(b"data: "):
            yield event[6:]


def _choice(message: Json, choice: Json) -> Json:
    calls = [{"id": call["id"], "name": call["function"]["name"], "arguments": call["function"]["arguments"]} for call in message.get("tool_calls") or ()]
    return {
        "index": choice["index"],
        "content": message.get("content") or None,
        "refusal": message.get("refusal") or None,
        "tool_calls": calls,
        "finish_reason": choice["finish_reason"],
    }


def _gathered(chunks: list[Json]) -> list[Json]:
    """The choices that a stream's chunks make up, as an SDK puts them together."""
    found: dict[int, Json] = {}
    for chunk in chunks:
        for part in chunk.get("choices", ()):
            choice = found.setdefault(part["index"], {"index": part["index"], "content": "", "refusal": "", "tool_calls": [], "finish_reason": None})
            choice["finish_reason"] = part["finish_reason"] or choice["finish_reason"]
            delta = part["delta"]
            for name in ("content", "refusal"):
                choice[name] += delta.get(name) or ""
            for call in delta.get("tool_calls") or ():
                _add_call(choice["tool_calls"], call)
    return [{**choice, "content": choice["content"] or None, "refusal": choice["refusal"] or None} for choice in found.values()]


def _add_call(calls: list[Json], part: Json) -> None:
    while len(calls) <= part["index"]:
        calls.append({"id": None, "name": "", "arguments": ""})
    call, function = calls[part["index"]], part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""
