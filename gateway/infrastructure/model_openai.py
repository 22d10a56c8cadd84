"""Calls of OpenAI-compatible servers (``/chat/completions``, ``/embeddings``): the one importer of aiohttp's client.

A call is made once: no retries, no redirects, no proxy from the environment. Upstream sees our few headers, never the caller's. Whatever goes wrong leaves as
a class of ``gateway.errors``; the exceptions of aiohttp can quote the upstream, so they are neither raised nor chained.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from gateway.domain import Json
from gateway.errors import ShuttingDown, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.infrastructure.model_client import ModelRequest, Reply, Slots, TargetOptions
from gateway.infrastructure.model_stream import ModelStream, StreamStart
from gateway.infrastructure.upstream_answers import answer_of, embeddings_of, malformed, refusal

TRANSPORT_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError)
"""Everything that aiohttp raises for a call: its own tree, that of its HTTP parser, sockets' (``TimeoutError`` is an ``OSError``), and ``RuntimeError`` where a
session or connection was closed on our side."""

OPENAI: Final = "https://api.openai.com/v1"

_KEEPALIVE_S: Final = 4.0
"""How long an idle connection is kept: below the 5 s after which uvicorn and node close theirs, so that a call rarely meets one that is just being closed."""

_DRAIN_S: Final = 1.0
"""How long the connection of an ended stream may take to become reusable."""

_REFUSAL_BYTES: Final = 65_536
"""How much of an error's body is read."""

_LARGE_BODY: Final = 1 << 20
"""From here on aiohttp wants a body as a file, and writes it in parts."""

_VECTOR_BYTES: Final = 4096 * 24
"""What a vector takes in an answer of embeddings: as many numbers as any common model gives, as decimals."""


class OpenAIClient:
    """The connections to one target: a ``ModelClient``."""

    def __init__(self, options: TargetOptions, *, version: str = "0") -> None:
        self._options = options
        base = (options.base_url or OPENAI).rstrip("/")
        self._chat_url, self._embeddings_url = URL(base + "/chat/completions"), URL(base + "/embeddings")
        headers = {"content-type": "application/json", "user-agent": f"execution-gateway/{version}", "accept-encoding": "identity"}
        if options.api_key:
            headers["authorization"] = f"Bearer {options.api_key}"
        self._whole_headers = headers | {"accept": "application/json"}
        self._stream_headers = headers | {"accept": "text/event-stream"}
        self._draining: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._slots = Slots(options)

    @property
    def options(self) -> TargetOptions:
        """What this client was made from."""
        return self._options

    @property
    def in_use(self) -> int:
        """Calls and streams that hold a slot now."""
        return self._slots.in_use

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

    async def complete(self, request: ModelRequest, traceparent: str | None = None) -> Reply:
        """Send the request (``stream`` not set) and read the whole answer.

        Raises:
            Overloaded: the target's limit of concurrent calls is reached.
            UpstreamError: the target failed; the subclass and its ``reason_code`` say how.
        """
        return await self._ask(self._chat_url, request.raw, traceparent, answer_of)

    async def embed(self, request: ModelRequest, traceparent: str | None = None) -> Reply:
        """Send the request for embeddings and read them.

        Raises:
            Overloaded: the target's limit of concurrent calls is reached.
            UpstreamError: the target failed; the subclass and its ``reason_code`` say how.
        """
        given = request.body.get("input")
        room = _VECTOR_BYTES * len(given) if isinstance(given, list) else 0
        return await self._ask(self._embeddings_url, request.raw, traceparent, embeddings_of, room)

    async def _ask(self, url: URL, body: bytes, traceparent: str | None, checked: Callable[[bytes, str], Json], room: int = 0) -> Reply:
        """Send a request and read its answer, for which there may be ``room`` for so many bytes more than usual."""
        self._slots.take()
        try:
            response = await self._post(url, body, self._whole_headers, traceparent)
            first_byte_ns = time.time_ns()
            try:
                await self._expect(response, "application/json")
                raw = await self._read(response, self._options.max_answer_bytes + room)
            finally:
                response.close()
            name = self._options.name
            answer = checked(raw, name) if len(raw) < _LARGE_BODY or not room else await asyncio.to_thread(checked, raw, name)
            return Reply(answer, raw, response.status, first_byte_ns, len(body))
        finally:
            self._slots.release()

    async def open_stream(self, request: ModelRequest, traceparent: str | None = None) -> ModelStream:
        """Send the request (with ``"stream": true``) and wait for the head of a stream of events.

        The stream holds its slot until it has ended or ``aclose`` was called: use it with ``async with``.

        Raises:
            Overloaded: the target's limit of concurrent calls is reached.
            UpstreamError: the target failed; the subclass and its ``reason_code`` say how.
        """
        self._slots.take()
        response = stream = None
        first_token_by = asyncio.get_running_loop().time() + self._options.first_token_s
        try:
            async with asyncio.timeout_at(first_token_by):
                response = await self._post(self._chat_url, request.raw, self._stream_headers, traceparent)
                await self._expect(response, "text/event-stream")
            start = StreamStart(
                target=self._options.name,
                status=response.status,
                request_bytes=len(request.raw),
                max_bytes=self._options.max_answer_bytes,
                first_token_by=first_token_by,
            )
            stream = ModelStream(_Connection(response, self), start, self._slots.release)
        except TimeoutError:
            raise self._timeout("first token") from None
        finally:
            if stream is None:
                self._abandon(response)
        return stream

    def _abandon(self, response: aiohttp.ClientResponse | None) -> None:
        if response is not None:
            response.close()
        self._slots.release()

    async def _post(self, url: URL, body: bytes, headers: dict[str, str], traceparent: str | None) -> aiohttp.ClientResponse:
        if self._session is None:
            raise ShuttingDown("The gateway is shutting down.")
        if traceparent is not None:
            headers = {**headers, "traceparent": traceparent}
        data = body if len(body) < _LARGE_BODY else io.BytesIO(body)
        try:
            return await self._session.post(url, data=data, headers=headers, allow_redirects=False)
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

    def __init__(self, response: aiohttp.ClientResponse, client: OpenAIClient) -> None:
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
