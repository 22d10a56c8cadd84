"""A real HTTP server that takes webhooks, and fails in every way that it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple


class Message(NamedTuple):
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: bytes


class WebhookServer:
    """Keeps what is posted. ``behave`` says what is done about the next messages: a status, or a name of a way to fail; then all is well again."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.behave: list[int | str] = []
        self.always: int | str = 204
        self.connections = 0
        self.sent = 0
        """Bytes of endless answers that left before the client was gone."""
        self.arrived = asyncio.Event()
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
        return server

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.messages.append(Message(head[0].split(" ")[1], headers, body))
            self.arrived.set()
            await self._answer(writer, self.behave.pop(0) if self.behave else self.always)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _answer(self, writer: asyncio.StreamWriter, how: int | str) -> None:
        if how == "hang":
            await asyncio.sleep(60)
        elif how == "drip":
            for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"y" * 1_000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)
        elif how == "endless head":
            await self._endlessly(writer, b"HTTP/1.1 200 OK\r\n", b"x-more: " + b"y" * 1_000 + b"\r\n")
        elif how == "endless body":
            await self._endlessly(writer, b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", b"z" * 65_536)
        elif how == "endless refusal":
            await self._endlessly(writer, b"HTTP/1.1 500 No\r\ncontent-type: text/plain\r\n\r\n", b"z" * 65_536)
        elif how == "garbage":
            writer.write(b"\x00\x01SSH-2.0 hello\r\n\r\n")
        elif isinstance(how, int):
            location = f"location: {self.url}/elsewhere\r\n" if 300 <= how < 400 else ""
            writer.write(f"HTTP/1.1 {how} Status\r\n{location}content-length: 0\r\nset-cookie: session=1\r\n\r\n".encode())
        await writer.drain()  # "cut" gets nothing

    async def _endlessly(self, writer: asyncio.StreamWriter, head: bytes, part: bytes) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            self.sent += len(part)


@asynccontextmanager
async def webhook_server() -> AsyncIterator[WebhookServer]:
    """A server that listens."""
    hooks = WebhookServer()
    server = await hooks.start()
    try:
        yield hooks
    finally:
        server.close()
        await hooks.stop()


def dead_url() -> str:
    """Where nobody listens: port 1 is tcpmux's, which nothing serves."""
    return "http://127.0.0.1:1/hooks"
