"""The network under litellm: every request that it makes goes through here, whichever provider's client makes it.

It is loaded together with litellm, as httpx comes with it. It keeps for us what litellm would hide or tell by text: the status, Retry-After, whether the
connection failed or broke off, and how. What a refusal says in its body never reaches litellm. No retries, no redirects, no proxy from the environment, and no
request that is not part of a call.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Final, NoReturn

import httpx
import orjson

from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.infrastructure.model_client import TargetOptions
from gateway.infrastructure.sse import EventLengthError, SseParser
from gateway.infrastructure.upstream_answers import malformed, refusal

TRANSPORT_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, RuntimeError)
"""Everything that httpx raises for a call; ``RuntimeError`` where the pool was closed on our side."""

_KEEPALIVE_S: Final = 4.0
"""As in ``model_openai``: below the 5 s after which common servers close theirs."""

_MAX_EVENT_BYTES: Final = 4 << 20

_FINISH: Final = re.compile(rb'"(?:finishReason|finish_reason|stopReason|stop_reason|done_reason)"\s*:\s*"', re.ASCII)
"""A reason for the end, as providers spell it. Within a text its quotes would be escaped."""

_REFUSAL_BYTES: Final = 65_536
"""How much of an error's body is read."""


class Pool:
    """The connections of one target."""

    def __init__(self, options: TargetOptions, version: str) -> None:
        self.options = options
        self.headers = {"user-agent": f"execution-gateway/{version}", "accept-encoding": "identity"}
        self.timeout = {"connect": options.connect_s, "read": None, "write": None, "pool": None}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEEPALIVE_S)
        self.transport = httpx.AsyncHTTPTransport(trust_env=False, retries=0, limits=limits)

    def wire(self, traceparent: str | None) -> Wire:
        """The network of one call."""
        return Wire(self, {**self.headers, "traceparent": traceparent} if traceparent is not None else self.headers)

    async def close(self) -> None:
        """Close every connection; calls that still run fail."""
        await self.transport.aclose()


class Wire:
    """What went over the network for one call of a model."""

    __slots__ = ("_bytes", "_headers", "_pool", "_response", "failure", "finished", "first_byte_ns", "request_bytes", "status")

    def __init__(self, pool: Pool, headers: dict[str, str]) -> None:
        self._pool = pool
        self._headers = headers
        self._response: httpx.Response | None = None
        self._bytes = 0
        self.failure: UpstreamError | None = None
        """What went wrong on the network, first of all; litellm's own error for it is of no interest then."""
        self.finished: bool | None = None
        """Whether an event of the stream told why it ends; ``None`` where no events came."""
        self.first_byte_ns = 0
        self.request_bytes = 0
        self.status: int | None = None
        """HTTP status of the latest answer."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send one request of the call.

        Raises:
            httpx.ReadError: it failed, or was refused; ``failure`` says how. Without a word, and of a class that litellm does not answer by asking again.
        """
        if self.failure is not None:
            raise httpx.ReadError("")
        request.headers.update(self._headers)
        request.extensions = {**request.extensions, "timeout": self._pool.timeout}
        try:
            self.request_bytes += len(await request.aread())
            response = self._response = await self._pool.transport.handle_async_request(request)
        except TRANSPORT_ERRORS as error:
            self.fail(self._unanswered(error))
        self.first_byte_ns = time.time_ns()
        self.status = response.status_code
        if not 200 <= response.status_code < 300:
            raw = await self._refusal(response)
            self.fail(refusal(response.status_code, raw, response.headers.get("retry-after"), self._pool.options.name))
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            self.malformed("its answer has an encoding that was not asked for")
        return httpx.Response(response.status_code, headers=response.headers, stream=_Received(response, self))

    async def aclose(self) -> None:
        """End the call now, without reading what is still to come."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    def count(self, size: int) -> None:
        """Note bytes of the answer.

        Raises:
            httpx.ReadError: there are too many.
        """
        self._bytes += size
        limit = self._pool.options.max_answer_bytes
        if self._bytes > limit:
            self.malformed(f"its answer is longer than {limit} bytes")

    def fail(self, failure: UpstreamError) -> NoReturn:
        """Keep ``failure`` and end litellm's part."""
        self.failure = failure
        raise httpx.ReadError("") from None

    def cut(self) -> NoReturn:
        """The answer broke off."""
        self.fail(malformed(self._pool.options.name, "its answer ended before it was complete", cut=True))

    def malformed(self, what: str) -> NoReturn:
        """The answer is not what the provider sends."""
        self.fail(malformed(self._pool.options.name, what))

    def _unanswered(self, error: Exception) -> UpstreamError:
        name = self._pool.options.name
        if isinstance(error, httpx.ConnectTimeout):
            return UpstreamTimeout(f"The target {name} took longer than its connect limit.")
        how = "cannot be reached" if isinstance(error, (httpx.ConnectError, httpx.InvalidURL, httpx.UnsupportedProtocol)) else "sent no HTTP answer"
        return UpstreamUnavailable(f"The target {name} {how}.")

    async def _refusal(self, response: httpx.Response) -> bytes:
        raw = b""
        try:
            async for part in response.aiter_raw():
                raw += part
                if len(raw) > _REFUSAL_BYTES:
                    break
            await response.aclose()
        except TRANSPORT_ERRORS:
            return b""
        return raw[:_REFUSAL_BYTES]


class _Received(httpx.AsyncByteStream):
    """The body of an answer on its way to litellm, counted."""

    def __init__(self, response: httpx.Response, wire: Wire) -> None:
        self._response = response
        self._wire = wire
        events = response.headers.get("content-type", "").startswith("text/event-stream")
        self._events = SseParser(_MAX_EVENT_BYTES) if events else None
        if events:
            wire.finished = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.aiter_raw():
                self._wire.count(len(part))
                if self._events is not None:
                    self._check(self._events, part)
                yield part
        except TRANSPORT_ERRORS:
            if self._wire.failure is not None:
                raise
            self._wire.cut()

    async def aclose(self) -> None:
        await self._response.aclose()

    def _check(self, events: SseParser, part: bytes) -> None:
        """Litellm passes over an event that it cannot read, as if nothing had been said: an answer would have a hole."""
        try:
            for event in events.feed(part):
                if event != b"[DONE]":
                    orjson.loads(event)
                    self._wire.finished = self._wire.finished or _FINISH.search(event) is not None
        except (EventLengthError, orjson.JSONDecodeError):
            self._wire.malformed("an event of its stream is not JSON, or too long")


class Rehearsal:
    """In a wire's place for a call of Anthropic's API that goes nowhere, made so that the first real call does not pay for what is loaded late."""

    _MESSAGE: Final = {
        "id": "r",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "ready"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    _EVENTS: Final = (
        {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ready"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    )

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Answer at once."""
        if b'"stream"' in await request.aread():
            events = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in self._EVENTS)
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=events)
        return httpx.Response(200, headers={"content-type": "application/json"}, content=orjson.dumps(self._MESSAGE))


CALL: Final[ContextVar[Wire | Rehearsal]] = ContextVar("call")
"""The network of the call that this task makes."""


class Switch(httpx.AsyncBaseTransport):
    """The transport of every client that litellm makes: hands a request to the call that it is made for."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, if it is part of a call."""
        wire = CALL.get(None)
        if wire is None:
            raise httpx.ReadError("")
        return await wire.send(request)


def transport(*_: object, **__: object) -> Switch:
    """Stands in for the function with which litellm makes its transports, whatever that is asked for."""
    return Switch()
