"""Attempt: one call of one target, timed, measured and priced, whatever becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeAlias, TypeVar

from gateway.capabilities.costs import estimate_tokens
from gateway.capabilities.routing.course import Course, Step
from gateway.domain import Attempt, Destination, Json, Usage
from gateway.errors import GatewayError, InternalError, UpstreamTimeout
from gateway.infrastructure.model_client import AnswerStream, ModelRequest, Reply
from gateway.pipeline.intent import Intent
from gateway.pipeline.services import Model, Services
from gateway.settings import Target

T = TypeVar("T")
_Call: TypeAlias = Callable[[ModelRequest, str | None], Awaitable[Reply]]

DEADLINE = "upstream.deadline"
_CRASHED = InternalError("the gateway failed on the answer")

_UNTIMED = nullcontext()
_AS_SOON = 1.01
"""By how much a target's own limit may outlast the deadline before that needs a timer beside it: by default the two are the same, and a timer costs."""

_FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


class OpenAttempt:
    """An attempt under way. ``end`` or ``fail`` is called once, by whoever learns how it ended; the course learns it too."""

    def __init__(self, services: Services, intent: Intent, course: Course, step: Step, request: ModelRequest) -> None:
        self._services = services
        self._intent = intent
        self._course = course
        self._step = step
        self._request = request
        self._span_id = intent.trace.new_span_id()
        self._ended = False
        self._ends_in_time = step.target.limits.total_s <= course.remaining_s * _AS_SOON
        self.started_ns = time.time_ns()
        self.first_token_ns: int | None = None
        self._limit: asyncio.Timeout | None = None

    @property
    def target(self) -> Target:
        """Who is called."""
        return self._step.target

    @property
    def model(self) -> Model:
        """The target's client and prices."""
        return self._services.models[self._step.target.name]

    def in_time(self) -> AbstractAsyncContextManager[object]:
        """A block that ends in ``TimeoutError`` at the deadline of the whole intent, unless the target's own limit ends it by then anyway."""
        if self._ends_in_time:
            return _UNTIMED
        limit = asyncio.timeout(self._course.remaining_s)
        self._limit = self._limit or limit  # a block within it tells of its end itself
        return limit

    async def complete(self) -> Reply:
        """The whole answer of the target.

        Raises:
            UpstreamError: The target failed; the attempt has ended with that error.
        """
        return await self._whole(self.model.client.complete, _as_it_is)

    async def embed(self, read: Callable[[Reply], Awaitable[T]]) -> T:
        """What ``read`` makes of the target's embeddings.

        Raises:
            UpstreamError: The target failed, or ``read`` says so; the attempt has ended with that error.
        """
        return await self._whole(self.model.client.embed, read)

    async def _whole(self, call: _Call, read: Callable[[Reply], Awaitable[T]]) -> T:
        try:
            reply = await call(self._request, self._intent.trace.traceparent(self._span_id))
            self.first_token_ns = reply.first_byte_ns
            found = await read(reply)
            await self.end(reply.body, reply.body.get("usage"))
        except (GatewayError, asyncio.CancelledError) as error:
            self.fail(error)
            raise
        finally:
            self.fail()
        return found

    async def open_stream(self) -> AnswerStream:
        """The target's stream, its head checked. Whoever reads it ends the attempt.

        Raises:
            UpstreamError: The target failed; the attempt has ended with that error.
        """
        upstream: AnswerStream | None = None
        try:
            upstream = await self.model.client.open_stream(self._request, self._intent.trace.traceparent(self._span_id))
        except (GatewayError, asyncio.CancelledError) as error:
            self.fail(error)
            raise
        finally:
            if upstream is None:
                self.fail()
        return upstream

    def heard(self, chunks: Iterable[Json]) -> None:
        """Note when the first of a streamed answer came; a chunk without a choice is none of it."""
        if self.first_token_ns is None and any(chunk.get("choices") for chunk in chunks):
            self.first_token_ns = time.time_ns()

    async def end(self, answer: Json, usage: object) -> None:
        """The target answered to the end; ``answer`` is the whole completion, as it came."""
        counted = await self.model.costs.usage(usage, self._request.body, answer)
        choices = answer.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        self._close(counted, finish_reason=self._name(first.get("finish_reason")), response=answer)
        self._course.answered(self._step)

    def fail(self, error: BaseException = _CRASHED, answer: Json | None = None, *, blames: bool = True) -> None:
        """The attempt ended without an answer; ``answer`` is what came of it, if anything did. Does nothing once it has ended.

        Without an ``error`` the gateway itself failed. ``blames`` is false where the target cannot be to blame, whatever the error.
        """
        if self._ended:
            return
        if isinstance(error, asyncio.CancelledError) and self._is_late:
            error = self.late()
        code = error.reason_code if isinstance(error, GatewayError) else "cancelled" if isinstance(error, asyncio.CancelledError) else "internal_error"
        self._close(self._spent(answer), error=code, status=getattr(error, "upstream_status", None), response=answer or {})
        if isinstance(error, asyncio.CancelledError) or not blames or (code == DEADLINE and not self._had_its_time):
            self._course.dropped(self._step)
        else:
            self._course.failed(self._step, error if isinstance(error, GatewayError) else _CRASHED)

    @property
    def _had_its_time(self) -> bool:
        """Whether the target had half of what its own limits allow: a route that is in more of a hurry says nothing about the target."""
        limits = self._step.target.limits
        return time.time_ns() - self.started_ns >= min(limits.first_token_s, limits.total_s) * 5e8

    @property
    def _is_late(self) -> bool:
        return self._course.remaining_s <= 0 or (self._limit is not None and self._limit.expired())

    def late(self) -> UpstreamTimeout:
        """The error for the deadline of the whole intent, which has passed: there is nothing more to try."""
        self._course.expire()
        return late()

    def _spent(self, answer: Json | None) -> Usage | None:
        """About what an answer that broke off has cost: providers charge for what they said. ``None`` where nothing came of it."""
        if self.first_token_ns is None:
            return None
        said = [choice.get("message") for choice in (answer or {}).get("choices", ())]
        return Usage(estimate_tokens(self._request.body), estimate_tokens({"messages": said}), estimated=True)

    def _close(
        self, usage: Usage | None, *, response: Mapping[str, object], finish_reason: str | None = None, error: str | None = None, status: int | None = 200
    ) -> None:
        self._ended = True
        target = self._step.target
        attempt = Attempt(
            target=target.name,
            model=target.model,
            purpose=self._step.purpose,
            started_ns=self.started_ns,
            ended_ns=time.time_ns(),
            first_token_ns=self.first_token_ns,
            status=status,
            usage=usage,
            cost_microusd=None if usage is None else self.model.costs.cost(usage),
            finish_reason=finish_reason,
            error=error,
        )
        self._intent.attempts.append(attempt)
        span = self.model.embeddings_span if self._intent.call.embeds else self.model.span
        self._services.metrics.attempt(attempt, span.operation, span.provider)
        attributes = self._intent.chat_attributes = span.attributes(self._request.body, attempt, response_model=self._name(response.get("model")))
        self._intent.trace.add_client(span.name, self.started_ns, attempt.ended_ns, attributes, error, self._span_id)
        self._intent.steps.append(("attempt", attempt.ended_ns - self.started_ns))
        self._intent.clock_ns = attempt.ended_ns

    def _name(self, value: object) -> str | None:
        """A name that the target chose, as the record may have it: anything can stand in there."""
        inspection = self._intent.inspection
        if not isinstance(value, str) or inspection is None:
            return None
        if value in _FINISH_REASONS or value == self._step.target.model:
            return value
        shown: str = inspection.redact(value, self._intent.obligations, Destination.RECORD)
        return shown


async def _as_it_is(reply: Reply) -> Reply:
    return reply


def late() -> UpstreamTimeout:
    """The deadline of the whole intent has passed."""
    return UpstreamTimeout("the targets took longer than the route's deadline", code=DEADLINE)
