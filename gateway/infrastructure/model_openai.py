"""Calls of OpenAI-compatible servers (``/chat/completions``): the one importer of aiohttp's client.

A call is made once: no retries, no redirects, no proxy from the environment. Upstream sees our few headers, never the caller's. Whatever goes wrong leaves as
a class of ``gateway.errors``; the exceptions of aiohttp can quote the upstream, so they are neither raised nor chained.
"""

from __future__ import annotations

import asyncio
import io
import time
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from gateway.domain import Json
from gateway.errors import Overloaded, ShuttingDown, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.infrastructure.model_stream import ModelStream, StreamStart
from gateway.infrastructure.upstream_answers import answer_of, malformed, refusal

TRANSPORT_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError)
"""Everything that aiohttp raises for a call: its own tree, that of its HTTP parser, sockets' (``TimeoutError`` is an ``OSError``), and ``RuntimeError`` where a
session or connection was closed on our side."""

_KEEPALIVE_S: Final = 4.0
"""How long an idle connection is kept: below the 5 s after which uvicorn and node close theirs, so that a call rarely meets one that is just being closed."""

_DRAIN_S: Final = 1.0
"""How long the connection of an ended stream may take to become reusable."""

_REFUSAL_BYTES: Final = 65_536
"""How much of an error's body is read."""

_LARGE_BODY: Final = 1 << 20
"""From here on aiohttp wants a body as a file, and writes it in parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """One target as compiled from the config. Limits of time are seconds."""

    name: str
    base_url: str
    """With its version path, without ``/chat/completions``: ``https://api.openai.com/v1``."""
    model: str
    """The upstream's own name of the model, for those who build the body."""
    api_key: str | None = field(default=None, repr=False)
    connect_s: float = 5.0
    """To a usable connection: name look-up, TCP and TLS."""
    first_token_s: float = 60.0
    """From the request to the first chunk that carries a choice. Streams only: a whole answer comes at once."""
    total_s: float = 600.0
    """From the request to the end of the answer."""
    concurrent: int = 256
    """Calls at a time, streams included."""
    max_answer_bytes: int = 16 << 20


class Reply(NamedTuple):
    """A whole answer."""

    body: Json
    raw: bytes
    """The bytes that ``body`` was parsed from."""
    status: int
    first_byte_ns: int
    request_bytes: int


class ModelClient:
    """The connections to one target. ``start`` and ``close`` belong to the running event loop."""

    def __init__(self, options: TargetOptions, *, version: str = "0") -> None:
        self._options = options
        self._url = URL(options.base_url.rstrip("/") + "/chat/completions")
        headers = {"content-type": "application/json", "user-agent": f"execution-gateway/{version}", "accept-encoding": "identity"}
        if options.api_key:
            headers["authorization"] = f"Bearer {options.api_key}"
        self._whole_headers = headers | {"accept": "application/json"}
        self._stream_headers = headers | {"accept": "text/event-stream"}
        self._draining: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._in_use = 0

    @property
    def options(self) -> TargetOptions:
        """What this client was made from."""
        return self._options

    @property
    def in_use(self) -> int:
        """Calls and streams that hold a slot now."""
        return self._in_use

    async def start(self) -> None:
        """Make the connection pool; connects to nobody yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=self._options.total_s, connect=self._options.connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection; calls that still run fail."""
        for task in self._draining:
            task.cancel()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def complete(self, body: bytes, traceparent: str | None = None) -> Reply:
        """Send ``body`` (JSON, ``stream`` not set) and read the whole answer.

        Raises:
            Overloaded: the target's limit of concurrent calls is reached.
            UpstreamError: the target failed; the subclass and its ``reason_code`` say how.
        """
        self._take_slot()
        try:
            response = await self._post(body, self._whole_headers, traceparent)
            first_byte_ns = time.time_ns()
            try:
                await self._expect(response, "application/json")
                raw = await self._read(response, self._options.max_answer_bytes)
            finally:
                response.close()
            return Reply(answer_of(raw, self._options.name), raw, response.status, first_byte_ns, len(body))
        finally:
            self._release_slot()

    async def open_stream(self, body: bytes, traceparent: str | None = None) -> ModelStream:
        """Send ``body`` (JSON with ``"stream": true``) and wait for the head of a stream of events.

        The stream holds its slot until it has ended or ``aclose`` was called: use it with ``async with``.

        Raises:
            Overloaded: the target's limit of concurrent calls is reached.
            UpstreamError: the target failed; the subclass and its ``reason_code`` say how.
        """
        self._take_slot()
        response = stream = None
        first_token_by = asyncio.get_running_loop().time() + self._options.first_token_s
        try:
            async with asyncio.timeout_at(first_token_by):
                response = await self._post(body, self._stream_headers, traceparent)
                await self._expect(response, "text/event-stream")
            start = StreamStart(
                target=self._options.name,
                status=response.status,
                request_bytes=len(body),
                max_bytes=self._options.max_answer_bytes,
                first_token_by=first_token_by,
            )
            stream = ModelStream(_Connection(response, self), start, self._release_slot)
        except TimeoutError:
            raise self._timeout("first token") from None
        finally:
            if stream is None:
                self._abandon(response)
        return stream

    def _abandon(self, response: aiohttp.ClientResponse | None) -> None:
        if response is not None:
            response.close()
        self._release_slot()

    def _take_slot(self) -> None:
        if self._in_use >= self._options.concurrent:
            raise Overloaded(f"The target {self._options.name} is at its limit of concurrent calls. Try again in a moment.", headers={"Retry-After": "1"})
        self._in_use += 1

    def _release_slot(self) -> None:
        self._in_use -= 1

    async def _post(self, body: bytes, headers: dict[str, str], traceparent: str | None) -> aiohttp.ClientResponse:
        if self._session is None:
            raise ShuttingDown("The gateway is shutting down.")
        if traceparent is not None:
            headers = {**headers, "traceparent": traceparent}
        data = body if len(body) < _LARGE_BODY else io.BytesIO(body)
        try:
            return await self._session.post(self._url, data=data, headers=headers, allow_redirects=False)
        except TRANSPORT_ERRORS as error:
            raise self.mapped(error, answering=False) from None

    async def _expect(self, response: aiohttp.ClientResponse, content_type: str) -> None:
        """Raise what the head of the answer tells already: a refusal, or the wrong kind of content."""
        if response.status != 200:
            try:
                raw = await self._read(response, _REFUSAL_BYTES)
            except UpstreamError:
                raw = b""
            raise refusal(response.status, raw, response.headers.get("Retry-After"), self._options.name)
        if response.content_type != content_type:
            raise malformed(self._options.name, f"its content type is not {content_type}")

    async def _read(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while data := await response.content.readany():
                parts.append(data)
                size += len(data)
                if size > limit:
                    raise malformed(self._options.name, f"its answer is longer than {limit} bytes")
        except TRANSPORT_ERRORS as error:
            raise self.mapped(error, answering=True) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def mapped(self, error: Exception, *, answering: bool) -> UpstreamError:
        """Our error for one of aiohttp's; ``answering`` once the head of an answer has come."""
        if isinstance(error, TimeoutError):
            return self._timeout("connect" if isinstance(error, aiohttp.ConnectionTimeoutError) else "total")
        if answering:
            return malformed(self._options.name, "its answer ended before it was complete", cut=True)
        if isinstance(error, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError, HttpProcessingError)):
            return malformed(self._options.name, "what it sent is not HTTP")
        how = "cannot be reached" if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.InvalidURL)) else "closed the connection without an answer"
        return UpstreamUnavailable(f"The target {self._options.name} {how}.")

    def _timeout(self, which: str) -> UpstreamTimeout:
        return UpstreamTimeout(f"The target {self._options.name} took longer than its {which} limit.")

    def drain(self, response: aiohttp.ClientResponse) -> None:
        """Read the last bytes of a stream that has told its end, in the background, so that its connection can be used again."""
        task = asyncio.create_task(_drain(response))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)


class _Connection:
    """The source of a ``ModelStream``."""

    __slots__ = ("_client", "_response")

    def __init__(self, response: aiohttp.ClientResponse, client: ModelClient) -> None:
        self._response = response
        self._client = client

    async def read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except TRANSPORT_ERRORS as error:
            raise self._client.mapped(error, answering=True) from None

    def done(self) -> None:
        if not self._response.content.at_eof():
            self._client.drain(self._response)

    def close(self) -> None:
        self._response.close()


async def _drain(response: aiohttp.ClientResponse) -> None:
    try:
        async with asyncio.timeout(_DRAIN_S):
            while await response.content.readany():
                pass
    except TRANSPORT_ERRORS:
        pass
    finally:
        response.close()
