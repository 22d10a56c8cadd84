"""What the endpoints that bring intents share: the body becomes a call, the call takes its path, and what comes of it is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Self

from gateway.domain import Json
from gateway.errors import PolicyDenied, ShuttingDown
from gateway.pipeline.intent import Call, Refused, Released, ReleasedStream
from gateway.pipeline.run import run
from gateway.pipeline.services import Services
from gateway.surfaces.error_responses import send_error, send_json
from gateway.surfaces.http_request import DEPARTURE, Departure, Receive, RequestLimits, Scope, Send, bearer_key, header, read_json


class IntentEndpoint:
    """A plain ASGI callable. ``surface`` is its name in policies and records; ``check`` raises ``InvalidRequest`` for a body that it does not take."""

    def __init__(self, services: Services, limits: RequestLimits, surface: str, check: Callable[[Json], None]) -> None:
        self._services = services
        self._limits = limits
        self._surface = surface
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        received_ns = time.time_ns()
        body, size = await read_json(scope, receive, self._limits)
        self._check(body)
        call = Call(
            surface=self._surface,
            key=bearer_key(scope),
            body=body,
            size=size,
            stream=body.get("stream") is True,
            traceparent=header(scope, b"traceparent"),
            received_ns=received_ns,
        )
        async with Presence(scope, receive):
            try:
                outcome = await run(self._services, call)
            except asyncio.CancelledError:
                if not self._services.limits.draining:
                    raise
                raise ShuttingDown("the gateway had to stop before the answer was complete; try again, another process will answer") from None
            headers = _headers(outcome)
            if isinstance(outcome, ReleasedStream):
                await _send_stream(send, outcome, headers)
            elif isinstance(outcome, Refused):
                await send_error(send, outcome.error, outcome.intent.id, headers)
            else:
                await send_json(send, 200, outcome.body, headers)


class Presence:
    """Cancels the work in its block when the client goes away: the upstream call ends and the record says so."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._departure: Departure | None = scope.get(DEPARTURE)
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None
        self._gone = False

    async def __aenter__(self) -> Self:
        self._work = asyncio.current_task()
        if self._departure is not None:
            self._departure.listen(self._left)
        else:
            self._watch = asyncio.create_task(self._await_disconnect())
        return self

    async def _await_disconnect(self) -> None:
        await self._receive()
        self._left()

    def _left(self) -> None:
        if self._work is not None:
            self._gone = True
            self._work.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        work, self._work = self._work, None
        if self._departure is not None:
            self._departure.forget(self._left)
        if self._watch is not None:
            self._watch.cancel()
        if self._gone and work is not None:
            work.uncancel()
            return kind is asyncio.CancelledError
        return False


async def _send_stream(send: Send, outcome: ReleasedStream, headers: list[tuple[bytes, bytes]]) -> None:
    try:
        whole = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"), *headers]
        await send({"type": "http.response.start", "status": 200, "headers": whole})
        await send({"type": "http.response.body", "body": outcome.first, "more_body": True})
        async for events in outcome.rest:
            await send({"type": "http.response.body", "body": events, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await outcome.rest.aclose()


def _headers(outcome: Released | ReleasedStream | Refused) -> list[tuple[bytes, bytes]]:
    intent = outcome.intent
    headers = [(b"x-gateway-record", intent.id.encode()), (b"x-gateway-trace", intent.trace.trace_id.encode())]
    if intent.decisions:
        denied = isinstance(outcome, Refused) and isinstance(outcome.error, PolicyDenied)
        headers.append((b"x-gateway-decision", b"deny" if denied else b"allow"))
    if isinstance(outcome, Refused) and outcome.error.retryable is None and len(intent.attempts) > 1:
        headers.append((b"x-should-retry", b"false"))  # the gateway has retried already; an SDK's retries would multiply with its own
    if intent.plan is not None:
        headers.append((b"x-gateway-route", intent.plan.route.name.encode()))
        headers.append((b"x-gateway-target", (intent.target or "").encode()))
    return headers
