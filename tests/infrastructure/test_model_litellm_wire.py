from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamRateLimited, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from gateway.infrastructure.model_client import TargetOptions
from gateway.infrastructure.model_litellm_wire import CALL, Pool, Switch, Wire, transport

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def upstream(answer: bytes, heard: list[bytes] | None = None) -> AsyncIterator[str]:
    """A server that answers each request with these bytes, and then closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(head)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@asynccontextmanager
async def wire_of(url: str = "", *, max_answer_bytes: int = 1000) -> AsyncIterator[Wire]:
    pool = Pool(TargetOptions(name="there", base_url=url, model="m", max_answer_bytes=max_answer_bytes), "1.2.3")
    yield pool.wire(TRACEPARENT)
    await pool.close()


async def body_of(wire: Wire, url: str) -> bytes:
    async with httpx.AsyncClient(transport=Switch()) as client:
        token = CALL.set(wire)
        try:
            return (await client.post(url, content=b"hello")).content
        finally:
            CALL.reset(token)


async def test_a_request_goes_out_with_our_headers_and_comes_back_measured() -> None:
    heard: list[bytes] = []
    async with upstream(OK + b"content-length: 2\r\n\r\n{}", heard) as url, wire_of() as wire:
        assert await body_of(wire, url) == b"{}"
        assert (wire.status, wire.request_bytes, wire.failure) == (200, 5, None)
        assert wire.first_byte_ns > 0
    lines = heard[0].decode().lower()
    for line in ("user-agent: execution-gateway/1.2.3", "accept-encoding: identity", f"traceparent: {TRACEPARENT}"):
        assert line in lines


ANSWERS: list[tuple[bytes, type[UpstreamError], str]] = [
    (b"HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}", UpstreamRateLimited, "upstream.rate_limited"),
    (b"HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\n{}", UpstreamRejected, "upstream.rejected"),
    (b"HTTP/1.1 500 No\r\ncontent-length: 9999\r\n\r\n{}", UpstreamUnavailable, "upstream.unavailable"),
    (b"HTTP/1.1 302 Go\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", UpstreamMalformed, "upstream.malformed"),
    (OK + b"content-length: 9\r\n\r\n{}", UpstreamMalformed, "upstream.cut"),
    (OK + b"content-length: 2000\r\n\r\n" + b"x" * 2000, UpstreamMalformed, "upstream.malformed"),
    (OK + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}", UpstreamMalformed, "upstream.malformed"),
    (OK + b"content-type: text/event-stream\r\n\r\ndata: {}\n\ndata: {half\n\n", UpstreamMalformed, "upstream.malformed"),
    (b"not HTTP at all\r\n\r\n", UpstreamUnavailable, "upstream.unavailable"),
    (b"", UpstreamUnavailable, "upstream.unavailable"),
]


@pytest.mark.parametrize(("answer", "expected", "code"), ANSWERS)
async def test_what_the_network_tells_is_kept_and_ends_litellms_part(answer: bytes, expected: type[UpstreamError], code: str) -> None:
    async with upstream(answer) as url, wire_of() as wire:
        with pytest.raises(httpx.ReadError) as raised:
            await body_of(wire, url)
        assert str(raised.value) == ""
        failure = wire.failure
        assert type(failure) is expected
        assert failure.reason_code == code
        with pytest.raises(httpx.ReadError):  # a second try is not sent
            await body_of(wire, url)
        assert wire.failure is failure


async def test_events_that_can_be_read_pass() -> None:
    stream = b'event: a\ndata: {"a": 1}\n\n: comment\n\ndata: [DONE]\n\n'
    async with upstream(OK + b"content-type: text/event-stream\r\n\r\n" + stream) as url, wire_of() as wire:
        assert await body_of(wire, url) == stream
        assert wire.finished is False


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (b'{"candidates": [{"finishReason": "STOP"}]}', True),
        (b'{"delta": {"stop_reason":"end_turn"}}', True),
        (b'{"choices": [{"finish_reason": null}]}', False),
        (b'{"text": "\\"finishReason\\": \\"STOP\\""}', False),
    ],
)
async def test_an_event_that_tells_the_end_is_noted(event: bytes, told: bool) -> None:
    async with upstream(OK + b"content-type: text/event-stream\r\n\r\ndata: " + event + b"\n\n") as url, wire_of() as wire:
        await body_of(wire, url)
        assert wire.finished is told


async def test_a_target_that_is_not_there_is_unavailable() -> None:
    async with wire_of() as wire:
        with pytest.raises(httpx.ReadError):
            await body_of(wire, "http://127.0.0.1:9/")
        assert type(wire.failure) is UpstreamUnavailable
        assert "cannot be reached" in wire.failure.message


def test_a_connection_that_takes_too_long_is_a_timeout() -> None:
    wire = Pool(TargetOptions(name="there", base_url=None, model="m"), "0").wire(None)
    failure = wire._unanswered(httpx.ConnectTimeout(""))
    assert type(failure) is UpstreamTimeout
    assert "connect limit" in failure.message


async def test_a_request_that_is_not_part_of_a_call_is_not_sent() -> None:
    heard: list[bytes] = []
    async with upstream(OK + b"\r\n", heard) as url, httpx.AsyncClient(transport=transport(ssl_verify=False)) as client:
        with pytest.raises(httpx.ReadError):
            await client.get(url)
    assert heard == []


async def test_closing_the_wire_drops_the_connection() -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"content-length: 100\r\n\r\nfirst")
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, wire_of() as wire:
        request = httpx.Request("POST", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        response = await wire.send(request)
        assert response.status_code == 200
        await wire.aclose()
        await wire.aclose()
        await asyncio.wait_for(gone.wait(), 5)
    assert gone.is_set()
