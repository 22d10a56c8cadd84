"""One streamed answer through litellm: its chunks in, batches of checked ``chat.completion.chunk`` objects out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import orjson

from gateway.domain import Json
from gateway.errors import UpstreamError
from gateway.infrastructure.model_client import TargetOptions
from gateway.infrastructure.model_litellm_errors import failure_of, unusable
from gateway.infrastructure.model_litellm_forms import chunk_from
from gateway.infrastructure.upstream_answers import malformed, note_chunk

if TYPE_CHECKING:
    from gateway.infrastructure.model_litellm_wire import Wire

_T = TypeVar("_T")


class LitellmStream:
    """An ``AnswerStream``. It holds a slot of its target, which ``release`` frees, until it has ended or was closed."""

    def __init__(self, wire: Wire, options: TargetOptions, release: Callable[[], None], *, started: float) -> None:
        self._wire = wire
        self._options = options
        self._release: Callable[[], None] | None = release
        self._first_token_by = started + options.first_token_s
        self._total_by = started + options.total_s
        self._chunks: Any = None
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._ended = False
        self.first_token_ns: int | None = None

    @property
    def status(self) -> int:
        """HTTP status of the upstream."""
        return self._wire.status or 200

    @property
    def request_bytes(self) -> int:
        """Size of the body that was sent."""
        return self._wire.request_bytes

    @property
    def first_byte_ns(self) -> int:
        """When the head of the answer came."""
        return self._wire.first_byte_ns

    async def open(self, call: Awaitable[Any]) -> None:
        """Make the call, up to the head of the answer."""
        self._chunks = await self._within(call)

    def __aiter__(self) -> AsyncIterator[list[Json]]:
        return self

    async def __anext__(self) -> list[Json]:
        going_on = False
        try:
            while not self._ended:
                chunk = await self._next()
                if chunk is not None:
                    going_on = True
                    return [chunk]
        finally:
            if not going_on:
                await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop: the connection is closed at once and the slot is free. Does nothing after the end."""
        self._ended = True
        release, self._release = self._release, None
        if release is not None:
            release()
            await self._wire.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def _next(self) -> Json | None:
        """The next chunk; ``None`` for one that says nothing, and at the end."""
        given = await self._within(anext(self._chunks, None))
        if given is None:
            self._ended = True
            if not self._finished or not self._open <= self._finished:
                raise self._cut()
            return None
        chunk = self._checked(given)
        if self.first_token_ns is None and chunk["choices"]:
            self.first_token_ns = time.time_ns()
        # All has been said: to read on would only let litellm do its books.
        self._ended = "usage" in chunk and bool(self._finished) and self._open <= self._finished
        return chunk if chunk["choices"] or "usage" in chunk else None

    def _checked(self, given: Any) -> Json:
        name = self._options.name
        try:
            chunk = chunk_from(given.model_dump())
            problem = "a chunk of its stream nests too deeply" if _unwritable(chunk) else note_chunk(chunk, self._open, self._finished)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise unusable(name) from None
        if problem is not None:
            raise malformed(name, problem)
        if any(choice["finish_reason"] for choice in chunk["choices"]) and not self._told():
            raise self._cut()
        return chunk

    def _told(self) -> bool:
        """Whether the provider said why it ended: litellm makes a reason up where none came, for some providers with each chunk."""
        if self._chunks.received_finish_reason is not None or self._wire.finished is not None:
            return bool(self._chunks.received_finish_reason or self._wire.finished)
        return self._chunks.intermittent_finish_reason is not None

    async def _within(self, step: Awaitable[_T]) -> _T:
        """Do one step of litellm's within the limits of time."""
        first = self.first_token_ns is None and self._first_token_by < self._total_by
        try:
            async with asyncio.timeout_at(self._first_token_by if first else self._total_by) as limit:
                return await step
        # The border: whatever litellm raises becomes one of our errors.
        except Exception as error:  # noqa: BLE001
            late = ("first token" if first else "total") if limit.expired() else None
            raise failure_of(error, self._wire, self._options.name, late) from None

    def _cut(self) -> UpstreamError:
        return malformed(self._options.name, "its stream ended before it was complete", cut=True)


def _unwritable(chunk: Json) -> bool:
    try:
        orjson.dumps(chunk)
    except TypeError:
        return True
    return False
