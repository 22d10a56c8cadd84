"""What the endpoints that bring intents share: the body becomes a call, the call takes its path, and what comes of it is answered.

A call with an ``Idempotency-Key`` takes its path in a task of its own: it goes on when its caller leaves, who finds the answer under the same key.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Final, Self, TypeAlias

from gateway.capabilities.streaming import KEEP_ALIVE, error_event
from gateway.domain import Json
from gateway.errors import GatewayError, InvalidRequest, PolicyDenied, ShuttingDown
from gateway.pipeline.intent import Call, Refused, Released, ReleasedStream
from gateway.pipeline.parked import Parked
from gateway.pipeline.pending import asks_for_usage, events_of
from gateway.pipeline.run import run
from gateway.pipeline.services import Services
from gateway.surfaces.error_responses import send_error, send_json
from gateway.surfaces.http_request import DEPARTURE, Departure, Receive, RequestLimits, Scope, Send, bearer_key, headers_of, read_json
from gateway.surfaces.parked_answers import EVENTS, send_events, send_parked

Outcome: TypeAlias = Released | ReleasedStream | Refused | Parked

MAX_WAIT_S: Final = 86_400.0
"""The longest that a caller can wait: a day, as in the config of routes."""
_SECONDS: Final = re.compile(r"[0-9]{1,5}(\.[0-9]{1,6})?")
_KEY: Final = re.compile(r"[ -~]{1,255}")
_OURS: Final = frozenset({b"traceparent", b"idempotency-key", b"x-gateway-wait"})


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
        told = headers_of(scope, _OURS)
        call = Call(
            surface=self._surface,
            key=bearer_key(scope),
            body=body,
            size=size,
            stream=body.get("stream") is True,
            traceparent=told.get(b"traceparent"),
            received_ns=received_ns,
            idempotency_key=idempotency_key(told[b"idempotency-key"]) if b"idempotency-key" in told else None,
            wait_s=seconds(told[b"x-gateway-wait"], "the header x-gateway-wait") if b"x-gateway-wait" in told else None,
        )
        async with Presence(scope, receive):
            try:
                if call.idempotency_key is not None:
                    await self._answer_surviving(call, send)
                    return
                outcome = await run(self._services, call)
            except asyncio.CancelledError:
                if not self._services.limits.draining:
                    raise
                raise _stopped() from None
            await self._answer(call, outcome, send)

    async def _answer(self, call: Call, outcome: Outcome, send: Send) -> None:
        if isinstance(outcome, Parked):
            await send_parked(send, self._services, outcome, call)
            return
        headers = _headers(outcome)
        if isinstance(outcome, ReleasedStream):
            await _send_stream(send, outcome, headers)
        elif isinstance(outcome, Refused):
            await send_error(send, outcome.error, outcome.intent.id, headers)
        elif call.stream:
            await send_events(send, outcome.body, call, headers)
        else:
            await send_json(send, 200, outcome.body, headers)

    async def _answer_surviving(self, call: Call, send: Send) -> None:
        """Answer a call that goes on without its caller. A stream of it has keep-alives as any other, and its events when the whole is there."""
        work = self._services.background.start(run(self._services, call))
        if not call.stream or (await asyncio.wait({work}, timeout=self._services.keep_alive_s))[0]:
            await self._answer(call, await asyncio.shield(work), send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        while True:
            await send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})
            if (await asyncio.wait({work}, timeout=self._services.keep_alive_s))[0]:
                break
        failure = _stopped() if work.cancelled() else work.exception()
        if isinstance(failure, GatewayError):
            await send({"type": "http.response.body", "body": error_event(failure)})
            return
        outcome = work.result()
        if isinstance(outcome, Parked):
            await send_parked(send, self._services, outcome, call, begun=True)
        elif isinstance(outcome, Refused):
            await send({"type": "http.response.body", "body": error_event(outcome.error)})
        elif isinstance(outcome, Released):
            await send({"type": "http.response.body", "body": events_of(outcome.body, include_usage=asks_for_usage(call))})


def _stopped() -> ShuttingDown:
    return ShuttingDown("the gateway had to stop before the answer was complete; try again, another process will answer")


def idempotency_key(text: str) -> str:
    """The key of a call that is made once.

    Raises:
        InvalidRequest: It is not 1 to 255 printable ASCII characters.
    """
    if _KEY.fullmatch(text) is None:
        raise InvalidRequest("the header Idempotency-Key has to be 1 to 255 printable ASCII characters", param="Idempotency-Key")
    return text


def seconds(text: str, what: str) -> float:
    """How long a caller is ready to wait.

    Raises:
        InvalidRequest: It is no number of seconds from 0 to a day.
    """
    if _SECONDS.fullmatch(text) is None or float(text) > MAX_WAIT_S:
        raise InvalidRequest(f"{what} has to be a number of seconds from 0 to {MAX_WAIT_S:.0f}", param=what.rsplit(" ", 1)[-1])
    return float(text)


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
        await send({"type": "http.response.start", "status": 200, "headers": [*EVENTS, *headers]})
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
