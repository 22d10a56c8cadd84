"""One streamed answer of an upstream: network reads in, batches of checked ``chat.completion.chunk`` objects out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

import orjson

from gateway.domain import Json
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.infrastructure.sse import EventLengthError, SseParser
from gateway.infrastructure.upstream_answers import malformed, note_chunk, too_deep

_MAX_EVENT_BYTES: Final = 4 << 20
"""One event: a whole answer's worth of text with log probabilities fits many times over."""

_CUT: Final = "its stream ended before it was complete"


class Source(Protocol):
    """The connection that a stream comes over."""

    async def read(self) -> bytes:
        """What has arrived, at least one byte; ``b""`` at the end. Raises ``UpstreamError`` alone."""

    def done(self) -> None:
        """The stream has ended well: the connection may be used again."""

    def close(self) -> None:
        """Close the connection now, without reading what is still to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStart:
    """What is known when the head of the stream has come."""

    target: str
    status: int
    request_bytes: int
    max_bytes: int
    """The most bytes that the whole stream may have."""
    first_token_by: float
    """Loop time until which a chunk with a choice must have come."""


class ModelStream:
    """Iterate for batches: all the chunks of one network read (``list[Json]``, never empty). Ends well only once every choice has a ``finish_reason``.

    Iterating raises ``UpstreamMalformed`` (code ``upstream.cut`` where the stream ended too early) or ``UpstreamTimeout``, after the good chunks that came
    before.
    """

    __slots__ = ("_bytes", "_ended", "_failure", "_finished", "_open", "_parser", "_release", "_source", "_start", "first_byte_ns", "first_token_ns")

    def __init__(self, source: Source, start: StreamStart, release: Callable[[], None]) -> None:
        self._source = source
        self._start = start
        self._release: Callable[[], None] | None = release
        self._parser = SseParser(_MAX_EVENT_BYTES)
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._ended = False
        self._failure: UpstreamError | None = None
        self._bytes = 0
        self.first_byte_ns = time.time_ns()
        self.first_token_ns: int | None = None

    @property
    def status(self) -> int:
        """HTTP status of the upstream."""
        return self._start.status

    @property
    def request_bytes(self) -> int:
        """Size of the body that was sent."""
        return self._start.request_bytes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Json]:
        going_on = False
        try:
            while not self._ended:
                chunks = self._chunks(await self._read())
                if chunks:
                    going_on = True
                    return chunks
        except UpstreamError as failure:
            self._fail(failure)
        finally:
            if not going_on:
                self._close()
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop: the connection is closed at once and the slot is free. Does nothing after the end."""
        self._ended = True
        self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def _read(self) -> bytes:
        if self.first_token_ns is not None:
            return await self._source.read()
        try:
            async with asyncio.timeout_at(self._start.first_token_by):
                return await self._source.read()
        except TimeoutError:
            raise UpstreamTimeout(f"The target {self._start.target} took longer than its first token limit.") from None

    def _chunks(self, data: bytes) -> list[Json]:
        chunks: list[Json] = []
        self._bytes += len(data)
        if self._bytes > self._start.max_bytes:
            self._fail(malformed(self._start.target, f"its stream is longer than {self._start.max_bytes} bytes"))
            return chunks
        try:
            events = self._parser.feed(data) if data else self._parser.finish()
        except EventLengthError:
            self._fail(malformed(self._start.target, "an event of its stream is too long"))
            return chunks
        problem = self._take(events, chunks)
        if problem is not None:
            self._fail(malformed(self._start.target, problem))
        elif not data and not self._ended:
            self._end()
        return chunks

    def _take(self, events: list[bytes], chunks: list[Json]) -> str | None:
        """Parse and check events' data into ``chunks``, up to the end of the stream or the first that is wrong; what is wrong with it."""
        for event in events:
            try:
                chunk = orjson.loads(event)
            except orjson.JSONDecodeError:
                if event != b"[DONE]":
                    return "a chunk of its stream is not JSON"
                self._end()
                return None
            problem = "a chunk of its stream nests too deeply" if too_deep(event, chunk) else note_chunk(chunk, self._open, self._finished)
            if problem is not None:
                return problem
            if self.first_token_ns is None and chunk["choices"]:
                self.first_token_ns = time.time_ns()
            chunks.append(chunk)
        return None

    def _end(self) -> None:
        if not self._finished or not self._open <= self._finished:
            self._fail(malformed(self._start.target, _CUT, cut=True))
            return
        self._ended = True
        self._source.done()
        self._free()

    def _fail(self, failure: UpstreamError) -> None:
        self._ended = True
        self._failure = failure
        self._close()

    def _close(self) -> None:
        if self._release is not None:
            self._source.close()
            self._free()

    def _free(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()
