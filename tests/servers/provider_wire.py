"""What the scripted servers of providers' own protocols have in common: a real HTTP server on loopback that keeps what it got, and fails as it is told to."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the provider answers."""

    text: str = "Hello there."
    more: tuple[str, ...] = ()
    """Texts of further candidates."""
    calls: tuple[tuple[str, Json], ...] = ()
    """Tools that it calls: name and arguments."""
    stop: str | None = None
    """The provider's own word for why it ended, where it is not the usual one."""
    tokens: tuple[int, int] = (12, 7)
    """In and out."""
    cached: int = 0
    logprobs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How it fails instead, or while it answers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "api_error"
    words: str = "no"
    """What the error's message says, for all to see that nobody repeats it."""
    slow_head_s: float = 0
    slow_event_s: float = 0
    reset: bool = False
    """The connection is reset in place of an answer."""
    cut_after: int | None = None
    """Events of the stream, or bytes of the whole answer, after which it ends, with the connection reset."""
    ends_after: int | None = None
    """Events after which the stream ends as if that were all."""
    malformed: bool = False
    error_event: bool = False


class ProviderWire(ABC):
    """Serves while entered. ``requests`` has (path, query, headers, body) of each call."""

    def __init__(self, said: Said | None = None, fault: Fault | None = None) -> None:
        self.said = said or Said()
        self.fault = fault or Fault()
        self.requests: list[tuple[str, Mapping[str, str], Mapping[str, str], Json]] = []
        self.aborted = 0
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=1 << 26)
        application.router.add_post("/{tail:.*}", self._serve)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def body(self) -> Json:
        """The body of the latest request."""
        return self.requests[-1][3]

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the latest request."""
        return self.requests[-1][2]

    @abstractmethod
    def refused(self, path: str, headers: Mapping[str, str], body: Json) -> str | None:
        """What a real server would not accept."""

    @abstractmethod
    def error(self, status: int, kind: str, words: str) -> Json:
        """An error in the provider's form."""

    @abstractmethod
    def whole(self, path: str, body: Json) -> Json:
        """The whole answer."""

    @abstractmethod
    def streams(self, path: str, body: Json) -> bool:
        """Whether a stream is asked for."""

    @abstractmethod
    def events(self, body: Json) -> list[bytes]:
        """The events of the streamed answer."""

    @abstractmethod
    def error_event(self) -> bytes:
        """An error in the middle of a stream."""

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = orjson.loads(raw)
        self.requests.append((request.path, dict(request.query), {name.lower(): value for name, value in request.headers.items()}, body))
        try:
            return await self._answer(request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.aborted += 1
            raise

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        fault = self.fault
        await asyncio.sleep(fault.slow_head_s)
        if fault.reset:
            return _reset(request, web.Response())
        if fault.status != 200:
            return web.json_response(self.error(fault.status, fault.kind, fault.words), status=fault.status, headers=fault.headers)
        wrong = self.refused(request.path, self.headers, body)
        if wrong is not None:
            return web.json_response(self.error(400, "invalid_request_error", wrong), status=400)
        if self.streams(request.path, body):
            return await self._stream(request, body)
        raw = b'{"half": ' if fault.malformed else orjson.dumps(self.whole(request.path, body))
        if fault.cut_after is not None:
            response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(raw))})
            await response.prepare(request)
            await response.write(raw[: fault.cut_after])
            await asyncio.sleep(0.02)  # so that what was written leaves before the reset
            return _reset(request, response)
        return web.Response(body=raw, content_type="application/json")

    async def _stream(self, request: web.Request, body: Json) -> web.StreamResponse:
        fault = self.fault
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number, event in enumerate(self.events(body)):
            if number == fault.ends_after:
                return response
            if number == fault.cut_after:
                await asyncio.sleep(0.02)
                return _reset(request, response)
            if number == 2 and fault.malformed:
                await response.write(b'data: {"type": "half\n\n')
            if number == 2 and fault.error_event:
                await response.write(self.error_event())
                return response
            await asyncio.sleep(fault.slow_event_s)
            await response.write(event)
        return response


def _reset(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return response
