"""Attempt: one call of the target, timed, measured and priced, whatever becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from gateway.domain import Attempt, Destination, Json, Usage
from gateway.errors import GatewayError, InternalError
from gateway.infrastructure.model_client import AnswerStream
from gateway.pipeline.assemble import Request
from gateway.pipeline.intent import Intent, Plan
from gateway.pipeline.services import Model, Services

_CRASHED = InternalError("the gateway failed on the answer")


_FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


class OpenAttempt:
    """An attempt under way. ``end`` is called once, by whoever learns how it ended."""

    def __init__(self, services: Services, intent: Intent, plan: Plan, request: Request) -> None:
        self._services = services
        self._intent = intent
        self._plan = plan
        self._request = request
        self._span_id = intent.trace.new_span_id()
        self._ended = False
        self.started_ns = time.time_ns()
        self.first_token_ns: int | None = None

    @property
    def model(self) -> Model:
        """The target's client and prices."""
        return self._services.models[self._plan.route.target.name]

    async def complete(self) -> Json:
        """The whole answer of the target.

        Raises:
            UpstreamError: The target failed; the attempt has ended with that error.
        """
        try:
            reply = await self.model.client.complete(self._request, self._intent.trace.traceparent(self._span_id))
            self.first_token_ns = reply.first_byte_ns
            self._intent.answer_size = len(reply.raw)
            await self.end(reply.body, reply.body.get("usage"))
        except (GatewayError, asyncio.CancelledError) as error:
            self.fail(error)
            raise
        finally:
            self.fail(_CRASHED)
        return reply.body

    async def open_stream(self) -> AnswerStream:
        """The target's stream, its head checked. Whoever reads it ends the attempt.

        Raises:
            UpstreamError: The target failed; the attempt has ended with that error.
        """
        try:
            return await self.model.client.open_stream(self._request, self._intent.trace.traceparent(self._span_id))
        except (GatewayError, asyncio.CancelledError) as error:
            self.fail(error)
            raise

    async def end(self, answer: Json, usage: object) -> Attempt:
        """The target answered to the end; ``answer`` is the whole completion, as it came."""
        counted = await self.model.costs.usage(usage, self._request.body, answer)
        choices = answer.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        return self._close(counted, finish_reason=self._name(first.get("finish_reason")), response=answer)

    def fail(self, error: BaseException, answer: Json | None = None) -> None:
        """The attempt ended without an answer; ``answer`` is what came of it, if anything did. Does nothing once it has ended."""
        if not self._ended:
            code = error.reason_code if isinstance(error, GatewayError) else "cancelled" if isinstance(error, asyncio.CancelledError) else "internal_error"
            self._close(None, error=code, status=getattr(error, "upstream_status", None), response=answer or {})

    def _close(
        self, usage: Usage | None, *, response: Mapping[str, object], finish_reason: str | None = None, error: str | None = None, status: int | None = 200
    ) -> Attempt:
        self._ended = True
        target = self._plan.route.target
        attempt = Attempt(
            target=target.name,
            model=target.model,
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
        self._services.metrics.attempt(attempt)
        span = self.model.span
        attributes = self._intent.chat_attributes = span.attributes(self._request.body, attempt, response_model=self._name(response.get("model")))
        self._intent.trace.add_client(span.name, self.started_ns, attempt.ended_ns, attributes, error, self._span_id)
        self._intent.steps.append(("attempt", attempt.ended_ns - self.started_ns))
        self._intent.clock_ns = attempt.ended_ns
        return attempt

    def _name(self, value: object) -> str | None:
        """A name that the target chose, as the record may have it: anything can stand in there."""
        inspection = self._intent.inspection
        if not isinstance(value, str) or inspection is None:
            return None
        if value in _FINISH_REASONS or value == self._plan.route.target.model:
            return value
        shown: str = inspection.redact(value, self._intent.obligations, Destination.RECORD)
        return shown
