"""A raw HTTP/1.1 client that keeps every byte it saw, also of an answer that broke off. Reading what the bytes mean comes after the load."""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Answer(NamedTuple):
    """The bytes that came after a request."""

    raw: bytes
    whole: bool
    """Whether HTTP says that it is all of the answer."""


class Wire(asyncio.Protocol):
    """One keep-alive connection to loopback, one call at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0
        self._answer: asyncio.Future[Answer] | None = None
        self._head: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int) -> Wire:
        """A new connection.

        Raises:
            OSError: Nothing listens there.
        """
        _, wire = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    @property
    def waiting(self) -> bool:
        """Whether a request was sent whose answer is not whole yet."""
        return self._answer is not None and not self._answer.done()

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent on it any more."""
        return self._transport is None or self._transport.is_closing()

    async def call(self, request: bytes) -> Answer:
        """Send a request and wait for its whole answer, or for what there is of it when the connection ends."""
        self.send(request)
        return await self.answer()

    def send(self, request: bytes) -> None:
        """Send a request."""
        loop = asyncio.get_running_loop()
        self._buffer, self._needed = bytearray(), 0
        self._answer, self._head = loop.create_future(), loop.create_future()
        if self._transport is None or self._transport.is_closing():
            self._end(whole=False)
        else:
            self._transport.write(request)

    async def head(self) -> None:
        """Wait until the head of the answer and some of its body has come, or the connection has ended."""
        if self._head is not None:
            await self._head

    async def answer(self) -> Answer:
        """The answer to what was sent, when it is whole or the connection has ended."""
        if self._answer is None:
            raise RuntimeError("nothing was sent")
        return await self._answer

    def close(self) -> None:
        """Go away, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Collect."""
        self._buffer += data
        if self._is_whole():
            self._end(whole=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits gets what there is."""
        self._end(whole=False)

    def _is_whole(self) -> bool:
        if not self._needed:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return False
            length = _LENGTH.search(self._buffer, 0, head + 2)
            self._needed = head + 4 + int(length[1]) if length else -1
        if self._head is not None and not self._head.done():
            self._head.set_result(None)
        return len(self._buffer) >= self._needed if self._needed > 0 else self._buffer.endswith(_LAST_CHUNK)

    def _end(self, *, whole: bool) -> None:
        for waiting in (self._head,):
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(bytes(self._buffer), whole))


def request(key: str, body: bytes) -> bytes:
    """A chat completion call."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
