"""Bounds on what a connection may send and how long it may take, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from gateway.surfaces.http_protocol import bounded
from gateway.surfaces.http_request import Receive, Scope, Send

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


async def reads_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"over"})


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    if message["type"] == "http.request":
        await reads_nothing(scope, receive, send)


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0.3)
    await reads_nothing(scope, receive, send)


@asynccontextmanager
async def connection(
    app: object = reads_nothing, *, wait_s: float = 20.0, unread_s: float = 60.0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    protocol = bounded(head_bytes=2_000, body_bytes=100_000, wait_s=wait_s, unread_s=unread_s)
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=protocol, lifespan="off", log_config=None, access_log=False))  # type: ignore[arg-type]
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has nothing to wait for
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await task


async def test_a_head_that_grows_over_the_limit_is_refused_in_our_shape_and_the_connection_ends() -> None:
    async with connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        for _ in range(21):
            await asyncio.sleep(0.01)
            writer.write(b"X-More: " + b"y" * 90 + b"\r\n")
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"headers_too_large"' in answer


async def test_a_whole_head_in_small_pieces_is_served() -> None:
    async with connection() as (reader, writer):
        for byte in POST + b"Content-Length: 0\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await reader.readuntil(b"over")).startswith(b"HTTP/1.1 413 ")


async def test_a_connection_that_sends_no_whole_head_in_time_is_ended() -> None:
    for sent in (b"", POST):
        async with connection(wait_s=0.1) as (reader, writer):
            writer.write(sent)
            assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_body_that_pauses_too_long_ends_the_connection_and_one_that_trickles_does_not() -> None:
    async with connection(reads_all, wait_s=0.3) as (reader, writer):
        writer.write(POST + b"Content-Length: 5\r\n\r\n")
        for byte in b"abcde":
            await asyncio.sleep(0.1)
            writer.write(bytes([byte]))
        assert await asyncio.wait_for(reader.readuntil(b"over"), 5)
        writer.write(POST + b"Content-Length: 5\r\n\r\nabcd")
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_slow_answer_is_not_cut_by_the_time_for_heads() -> None:
    async with connection(slow, wait_s=0.1) as (reader, writer):
        writer.write(POST + b"Content-Length: 0\r\n\r\n" + POST)
        assert (await reader.readuntil(b"over")).startswith(b"HTTP/1.1 413 ")
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_body_that_goes_on_after_its_answer_is_read_for_a_while_and_then_the_connection_ends() -> None:
    async with connection() as (reader, writer):
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        assert (await reader.readuntil(b"over")).startswith(b"HTTP/1.1 413 ")
        sent = 0
        try:
            while sent < 10_000_000:
                writer.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
                await writer.drain()
                sent += 10_000
        except ConnectionError:
            pass
    assert 100_000 <= sent < 10_000_000


async def test_a_connection_goes_on_after_a_small_body_that_nobody_read() -> None:
    async with connection() as (reader, writer):
        for _ in range(3):
            writer.write(POST + b"Content-Length: 50000\r\n\r\n" + b"x" * 50_000)
            assert (await asyncio.wait_for(reader.readuntil(b"over"), 5)).startswith(b"HTTP/1.1 413 ")


async def test_a_caller_that_reads_nothing_of_its_answer_loses_the_connection() -> None:
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        left = asyncio.ensure_future(receive())
        while not left.done():
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            await asyncio.sleep(0)
        ended.set()

    async with connection(endless, unread_s=0.2) as (_, writer):
        writer.write(POST + b"Content-Length: 0\r\n\r\n")
        await asyncio.wait_for(ended.wait(), 20)
        assert ended.is_set()
