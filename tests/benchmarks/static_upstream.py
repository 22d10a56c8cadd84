"""A provider that costs next to nothing: one fixed answer, whole or as a stream of 20 pieces of text written one by one, with usage; it counts.

The model ``structured-1`` answers with the same in JSON.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

import orjson
import uvloop

from gateway.domain import Json

PIECES = 20
ANSWER = "".join(f"Step {number:02d}: the invoice was checked. " for number in range(1, PIECES + 1))
STRUCTURED = orjson.dumps({"summary": ANSWER, "status": "open", "amount": 12.5, "next_step": "Send the invoice again.", "confidence": 0.9}).decode()
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": ?true')
STRUCTURED_MODEL = "structured-1"
_STRUCTURED = re.compile(rb'"model": ?"structured-1"')
_USAGE: Json = {"prompt_tokens": 120, "completion_tokens": 140, "total_tokens": 260}
_ENVELOPE: Json = {"id": "chatcmpl-static", "created": 1_700_000_000, "model": "simulated-1", "system_fingerprint": "static"}


def _whole(answer: str) -> bytes:
    message = {"role": "assistant", "content": answer, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return orjson.dumps({**_ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def _events(answer: str) -> list[bytes]:
    """The role, 20 pieces of text, the finish, usage, and the end mark: each as one HTTP chunk."""
    size = -(-len(answer) // PIECES)
    deltas: list[Json] = [{"role": "assistant", "content": ""}, *({"content": answer[at : at + size]} for at in range(0, len(answer), size)), {}]
    chunks: list[Json] = [
        {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if delta else "stop"}], "usage": None} for delta in deltas
    ]
    chunks.append({"choices": [], "usage": _USAGE})
    lines = [b"data: " + orjson.dumps({**_ENVELOPE, "object": "chat.completion.chunk", **chunk}) + b"\n\n" for chunk in chunks]
    return [b"%x\r\n%s\r\n" % (len(line), line) for line in [*lines, b"data: [DONE]\n\n"]]


def _plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


PLAIN = {structured: _plain(_whole(STRUCTURED if structured else ANSWER)) for structured in (False, True)}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = {structured: _events(STRUCTURED if structured else ANSWER) for structured in (False, True)}


class Counter:
    """Calls answered so far."""

    def __init__(self) -> None:
        self.calls = 0


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head)
        if len(self._buffer) < head + 4 + (int(length[1]) if length else 0):
            return
        request, self._buffer = self._buffer, b""
        if request.startswith(b"GET"):
            self._transport.write(_plain(b"%d" % self._counter.calls))
            return
        self._counter.calls += 1
        if _STREAM.search(request, head):
            self._transport.write(HEAD)
            self._write(EVENTS[_STRUCTURED.search(request, head) is not None], 0)
        else:
            self._transport.write(PLAIN[_STRUCTURED.search(request, head) is not None])

    def _write(self, events: list[bytes], number: int) -> None:
        """Each event is a write of its own, so that what a proxy reads at once is for the network to say."""
        if self._transport.is_closing():
            return
        self._transport.write(events[number])
        if number + 1 < len(events):
            asyncio.get_running_loop().call_soon(self._write, events, number + 1)
        else:
            self._transport.write(b"0\r\n\r\n")


async def serve(port: int) -> None:
    """Listen until the process ends."""
    counter = Counter()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(counter), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
