from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from gateway.infrastructure.model_stream import ModelStream, StreamStart


def event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def said(text: str, index: int = 0) -> bytes:
    return event({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": None}]})


def finish(index: int = 0) -> bytes:
    return event({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})


DONE = b"data: [DONE]\n\n"
USAGE = event({"choices": [], "usage": {"prompt_tokens": 1}})


class Reads:
    """A source made of given reads; it says what became of it."""

    def __init__(self, *reads: bytes | Exception) -> None:
        self._reads = list(reads)
        self.told: list[str] = []

    async def read(self) -> bytes:
        if not self._reads:
            return b""
        read = self._reads.pop(0)
        if isinstance(read, Exception):
            raise read
        if read == b"hang":
            await asyncio.sleep(60)
        return read

    def done(self) -> None:
        self.told.append("done")

    def close(self) -> None:
        self.told.append("close")

    def release(self) -> None:
        self.told.append("release")


def stream_of(source: Reads, *, max_bytes: int = 100_000, first_token_s: float = 10.0) -> ModelStream:
    by = asyncio.get_running_loop().time() + first_token_s
    return ModelStream(source, StreamStart(target="there", status=200, request_bytes=7, max_bytes=max_bytes, first_token_by=by), source.release)


async def heard(stream: ModelStream) -> tuple[str, UpstreamError | None]:
    text = ""
    try:
        async for chunks in stream:
            assert chunks
            text += "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    except UpstreamError as failure:
        return text, failure
    return text, None


WHOLE = said("Hello") + said(", ") + b": keep-alive\n\n" + said("wörld 🙂") + finish() + USAGE + DONE


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_a_stream_is_the_same_however_the_network_cuts_it(cuts: list[int]) -> None:
    async def run() -> None:
        places = [0, *sorted(cuts), len(WHOLE)]
        parts = [WHOLE[start:end] for start, end in pairwise(places) if start != end]
        source = Reads(*parts)
        assert await heard(stream_of(source)) == ("Hello, wörld 🙂", None)
        assert source.told == ["done", "release"]

    asyncio.run(run())


CUT = "upstream.cut"
BAD = "upstream.malformed"


@pytest.mark.parametrize(
    ("reads", "text", "code"),
    [
        ([said("a"), finish(), DONE], "a", None),
        ([said("a"), finish()], "a", None),
        ([said("a"), finish() + USAGE], "a", None),
        ([said("a"), said("b", 1), finish(), finish(1), DONE], "ab", None),
        ([said("a"), finish(), DONE, said("more")], "a", None),
        ([finish(), b"data: [DONE]"], "", None),
        ([], "", CUT),
        ([said("a")], "a", CUT),
        ([said("a"), DONE], "a", CUT),
        ([DONE], "", CUT),
        ([USAGE, DONE], "", CUT),
        ([said("a"), said("b", 1), finish(), DONE], "ab", CUT),
        ([said("a") + b"data: {broken\n\n" + finish() + DONE], "a", BAD),
        ([said("a"), b'data: {"choices": [{"del'], "a", BAD),
        ([said("a") + event({"error": {"message": "bluebird"}}), finish(), DONE], "a", BAD),
        ([said("a"), event([]), finish(), DONE], "a", BAD),
        ([said("a"), said("x" * 200_000)], "a", BAD),
        ([said("a"), UpstreamUnavailable("gone")], "a", "upstream.unavailable"),
    ],
)
async def test_a_stream_ends_well_only_once_every_choice_has_finished(reads: list[bytes | Exception], text: str, code: str | None) -> None:
    source = Reads(*reads)
    got, failure = await heard(stream_of(source))
    assert got == text
    assert (failure and failure.reason_code) == code
    assert source.told == (["done", "release"] if code is None else ["close", "release"])


async def test_the_first_token_has_a_limit_that_keep_alives_do_not_lift() -> None:
    source = Reads(b": keep-alive\n\n", USAGE, b"hang")
    stream = stream_of(source, first_token_s=0.05)
    assert await anext(stream)
    with pytest.raises(UpstreamTimeout):
        await anext(stream)
    assert stream.first_token_ns is None
    assert source.told == ["close", "release"]


async def test_the_limit_is_gone_once_the_first_token_has_come() -> None:
    source = Reads(said("a"), finish() + DONE)
    stream = stream_of(source, first_token_s=0.02)
    assert await anext(stream)
    assert stream.first_token_ns is not None
    await asyncio.sleep(0.05)
    assert await anext(stream)


async def test_closing_is_final_and_frees_the_slot_once() -> None:
    source = Reads(said("a"), said("b"))
    async with stream_of(source) as stream:
        assert await anext(stream)
        await stream.aclose()
        assert [chunks async for chunks in stream] == []
    assert source.told == ["close", "release"]
    assert (stream.status, stream.request_bytes) == (200, 7)


async def test_being_cancelled_closes_the_connection() -> None:
    source = Reads(b"hang")
    task = asyncio.create_task(heard(stream_of(source)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.told == ["close", "release"]


async def test_a_failed_stream_stays_failed() -> None:
    stream = stream_of(Reads(event([])))
    for _ in range(2):
        with pytest.raises(UpstreamMalformed):
            await anext(stream)
