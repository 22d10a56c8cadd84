from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamTimeout
from gateway.infrastructure.model_client import TargetOptions
from gateway.infrastructure.model_litellm_stream import LitellmStream

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class Chunk:
    def __init__(self, **given: Any) -> None:
        self.given = given

    def model_dump(self) -> dict[str, Any]:
        return self.given


def text(said: str | None, finish: str | None = None) -> Chunk:
    return Chunk(choices=[{"index": 0, "delta": {"content": said}, "finish_reason": finish}])


class Chunks:
    """As litellm's stream: an iterator that knows the finish reason that came in."""

    intermittent_finish_reason: str | None = None

    def __init__(self, chunks: Sequence[Any], received: str | None = "stop") -> None:
        self._chunks = list(chunks)
        self.received_finish_reason = received

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Any:
        if not self._chunks:
            raise StopAsyncIteration
        chunk = self._chunks.pop(0)
        if isinstance(chunk, float):
            await asyncio.sleep(chunk)
            return text("late")
        if isinstance(chunk, Exception):
            raise chunk
        return chunk


class Wire:
    """As the network under litellm."""

    def __init__(self) -> None:
        self.status, self.failure, self.request_bytes, self.first_byte_ns = 200, None, 7, 11
        self.closed, self.finished = 0, None

    async def aclose(self) -> None:
        self.closed += 1


async def opened(chunks: Chunks, **limits: float) -> tuple[LitellmStream, Any, list[int]]:
    wire: Any = Wire()
    released: list[int] = []
    options = TargetOptions(name="there", base_url=None, model="m", **limits)  # type: ignore[arg-type] # limits of time alone
    stream = LitellmStream(wire, options, lambda: released.append(1), started=asyncio.get_running_loop().time())

    async def call() -> Chunks:
        return chunks

    await stream.open(call())
    return stream, wire, released


async def heard(stream: LitellmStream) -> tuple[str, UpstreamError | None, list[dict[str, Any]]]:
    said, chunks = "", []
    try:
        async for batch in stream:
            assert batch
            chunks += batch
            said += "".join(choice["delta"].get("content") or "" for chunk in batch for choice in chunk["choices"])
    except UpstreamError as error:
        return said, error, chunks
    return said, None, chunks


async def test_a_stream_ends_well_with_its_finish_and_usage() -> None:
    rest = text("not read")
    stream, wire, released = await opened(Chunks([text("Hello "), text("there"), text(None, "stop"), Chunk(choices=[], usage=USAGE), rest]))
    said, error, chunks = await heard(stream)
    assert (said, error, chunks[-1]["usage"], wire.closed, released) == ("Hello there", None, USAGE, 1, [1])
    assert stream.first_token_ns is not None
    assert (stream.status, stream.request_bytes, stream.first_byte_ns) == (200, 7, 11)


async def test_a_stream_without_usage_ends_well_too() -> None:
    stream, _, released = await opened(Chunks([text("Hello"), text(None, "length")]))
    assert (await heard(stream))[:2] == ("Hello", None)
    assert released == [1]


@pytest.mark.parametrize(
    ("chunks", "received", "code"),
    [
        ([text("Hello")], None, "upstream.cut"),
        ([text("Hello"), text(None, "stop")], None, "upstream.cut"),
        ([text("Hello"), ValueError("bluebird")], None, "upstream.malformed"),
        ([text("Hello"), Chunk(choices=[{"index": "a", "delta": {}}])], "stop", "upstream.malformed"),
        ([text("Hello"), Chunk(choices=[None])], "stop", "upstream.malformed"),
        ([text("Hello"), SimpleNamespace()], "stop", "upstream.malformed"),
        ([text("Hello"), Chunk(choices=[{"index": 0, "delta": {"content": object()}}])], "stop", "upstream.malformed"),
    ],
)
async def test_good_chunks_come_before_the_failure(chunks: list[Any], received: str | None, code: str) -> None:
    stream, wire, released = await opened(Chunks(chunks, received))
    said, error, _ = await heard(stream)
    assert said == "Hello"
    assert isinstance(error, UpstreamMalformed)
    assert error.reason_code == code
    assert "bluebird" not in error.message
    assert (wire.closed, released) == (1, [1])


async def test_what_the_network_says_of_a_failure_comes_first() -> None:
    stream, wire, _ = await opened(Chunks([text("Hello"), RuntimeError()]))
    wire.failure = UpstreamMalformed("cut", code="upstream.cut")
    assert (await heard(stream))[1] is wire.failure


@pytest.mark.parametrize(
    ("chunks", "limits", "which"),
    [
        ([9.0], {"first_token_s": 0.02}, "first token"),
        ([9.0], {"total_s": 0.02}, "total"),
        ([text("Hello"), 9.0], {"total_s": 0.02, "first_token_s": 0.01}, "total"),
    ],
)
async def test_limits_of_time_hold(chunks: list[Any], limits: dict[str, float], which: str) -> None:
    stream, wire, released = await opened(Chunks(chunks), **limits)
    _, error, _ = await heard(stream)
    assert isinstance(error, UpstreamTimeout)
    assert f"{which} limit" in error.message
    assert (wire.closed, released) == (1, [1])


async def test_closing_frees_the_slot_once() -> None:
    stream, wire, released = await opened(Chunks([text("Hello"), 9.0]))
    async with stream:
        assert await anext(stream)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert (wire.closed, released) == (1, [1])


@pytest.mark.parametrize(
    ("received", "intermittent", "on_the_wire", "ends_well"),
    [
        ("stop", None, None, True),
        ("stop", None, False, True),
        (None, "stop", None, True),
        (None, "stop", False, False),
        (None, "stop", True, True),
        (None, None, None, False),
    ],
)
async def test_a_reason_to_end_that_the_provider_did_not_give_is_none(
    received: str | None, intermittent: str | None, on_the_wire: bool | None, ends_well: bool
) -> None:
    chunks = Chunks([text("Hello"), text(None, "stop")], received)
    chunks.intermittent_finish_reason = intermittent
    stream, wire, _ = await opened(chunks)
    wire.finished = on_the_wire
    assert ((await heard(stream))[1] is None) is ends_well
