"""The second half of the path for a streamed answer: attempt, screen and close interleave with what the caller already reads.

Mode ``pass``: each chunk is redacted, restored and forwarded as it comes; the finish waits for usage, the answer policy and the durable record.
Mode ``buffered``: nothing but keep-alives leaves until the whole answer was judged and recorded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from gateway.capabilities.redaction.stream import ChatStream
from gateway.capabilities.streaming import KEEP_ALIVE, FinishHolder, checked_chunk, error_event, event, gather
from gateway.domain import Destination, Json, State, StreamMode
from gateway.errors import GatewayError, UpstreamMalformed
from gateway.infrastructure.model_client import AnswerStream
from gateway.pipeline.admit import leave
from gateway.pipeline.attempt import OpenAttempt
from gateway.pipeline.close import close, crashed, cut_off, denied, refuse
from gateway.pipeline.facts import message_facts
from gateway.pipeline.intent import Allowed, Denied, Ending, Intent, ReleasedStream, Screened
from gateway.pipeline.release import gateway_object, judge, note_logprobs, note_response
from gateway.pipeline.screen import Said, screen
from gateway.pipeline.services import Services


async def open_stream(services: Services, intent: Intent, allowed: Allowed, attempt: OpenAttempt) -> ReleasedStream:
    """Start the stream and wait for its first events, so that what fails before them is refused with a status of its own.

    Raises:
        GatewayError: The target failed, or policy refused, before anything could leave.
    """
    relay = StreamRelay(services, intent, allowed, attempt, await attempt.open_stream())
    events = relay.events()
    try:
        first = await anext(events)
    except StopAsyncIteration:
        raise UpstreamMalformed("the target's stream ended before it began") from None
    relay.handed_over = True
    return ReleasedStream(intent=intent, first=first, rest=events)


class StreamRelay:
    """Brings one stream from the target to the caller."""

    def __init__(self, services: Services, intent: Intent, allowed: Allowed, attempt: OpenAttempt, upstream: AnswerStream) -> None:
        self._services = services
        self._intent = intent
        self._allowed = allowed
        self._attempt = attempt
        self._upstream = upstream
        self._holder = FinishHolder()
        self._redactor: ChatStream | None = None
        self.handed_over = False
        """Whether the caller has the stream: from then on its record is closed here, before that by ``run``."""

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events for the caller. Whatever ends them, the record is closed and the upstream let go."""
        body = self._passed() if self._allowed.plan.stream_mode is StreamMode.PASS else self._buffered()
        try:
            async with aclosing(body):
                async for events in body:
                    yield events
        except GatewayError as error:
            self._attempt.fail(error)
            if not self.handed_over:
                raise
            yield error_event(await self._refuse(error))
        except (asyncio.CancelledError, GeneratorExit):
            self._attempt.fail(asyncio.CancelledError())
            if self.handed_over:
                await close(self._services, self._intent, cut_off(self._services, **self._seen()))
            raise
        # The one place that records a crash once a stream has begun; before that it is ``run``.
        except Exception as error:
            self._attempt.fail(error)
            if not self.handed_over:
                raise
            yield error_event(await self._refuse(crashed(self._intent, error)))
        finally:
            await self._upstream.aclose()
            if self.handed_over:
                leave(self._services)

    async def _passed(self) -> AsyncGenerator[bytes, None]:
        intent, holder = self._intent, self._holder
        redactor = self._redactor = self._allowed.inspection.stream(self._allowed.obligations)
        durable = False
        async for chunks in self._upstream:
            if self._attempt.first_token_ns is None:
                self._attempt.first_token_ns = time.time_ns()
            leaving = [event(kept) for chunk in chunks if (kept := holder.take(redactor.push(checked_chunk(chunk)))) is not None]
            if leaving:
                if not durable and intent.opened is not None:
                    await asyncio.shield(intent.opened)
                    durable = True
                    self._first_content()
                yield b"".join(leaving)
        answer = holder.completion(redactor.record_choices())
        await self._attempt.end(answer, holder.usage)
        verdict = await screen(self._services, intent, self._allowed.plan, redactor.findings, [_said(choice["message"]) for choice in answer["choices"]])
        if isinstance(verdict, Denied):
            raise denied(verdict)
        yield await self._complete(redactor, verdict)

    async def _buffered(self) -> AsyncGenerator[bytes, None]:
        work = asyncio.ensure_future(self._judged())
        try:
            while not (await asyncio.wait({work}, timeout=self._services.keep_alive_s))[0]:
                yield KEEP_ALIVE
            events = work.result()
            self._first_content()
            yield events
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _judged(self) -> bytes:
        """Read the whole answer, judge it, record it; then all of its events at once."""
        chunks: list[Json] = []
        async for batch in self._upstream:
            if self._attempt.first_token_ns is None:
                self._attempt.first_token_ns = time.time_ns()
            chunks.extend(checked_chunk(chunk) for chunk in batch)
        answer = gather(chunks)
        await self._attempt.end(answer, answer.get("usage"))
        verdict, _ = await judge(self._services, self._intent, self._allowed, answer)
        if isinstance(verdict, Denied):
            raise denied(verdict)
        redactor = self._redactor = self._allowed.inspection.stream(verdict.obligations)
        leaving = [event(kept) for chunk in chunks if (kept := self._holder.take(redactor.push(chunk))) is not None]
        return b"".join([*leaving, await self._complete(redactor, verdict)])

    def _first_content(self) -> None:
        """Note how long the caller waited for the first of the answer."""
        self._services.metrics.first_token(self._allowed.plan.route.name, time.time_ns() - self._intent.call.received_ns)

    async def _complete(self, redactor: ChatStream, verdict: Screened) -> bytes:
        """The final events, which are made before the record says that the caller got them and leave when it is durable."""
        response_id = self._allowed.inspection.redact(self._holder.envelope.get("id"), self._intent.obligations, Destination.RECORD)
        note_response(self._intent, response_id)
        note_logprobs(self._intent, redactor.logprobs_dropped)
        self._intent.notes["stream_mode"] = self._allowed.plan.stream_mode
        added = gateway_object(self._intent, verdict.obligations, redactor.redactions)
        finals = self._holder.finals(added, include_usage=self._asked_for_usage)
        await close(self._services, self._intent, Ending(state=State.COMPLETED, **self._seen()))
        return finals

    def _seen(self) -> dict[str, Any]:
        """What the caller has of the answer so far, for the record."""
        redactor = self._redactor
        if redactor is None:
            return {}
        redactor.close()
        return {"answer": redactor.record_choices(), "released": redactor.caller_choices(), "redactions": redactor.redactions}

    async def _refuse(self, error: GatewayError) -> GatewayError:
        """Record how the stream broke off; what the caller is told is the error, or that there is no record."""
        return (await refuse(self._services, self._intent, error, **self._seen())).error

    @property
    def _asked_for_usage(self) -> bool:
        options = self._intent.call.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True


def _said(choice: Json) -> Said:
    """A choice of a passed stream, redacted for the record, for a policy that went live while it ran and reads content: it must not find none."""
    return Said(
        lambda: "\n".join(filter(None, (choice["content"], choice["refusal"]))),
        lambda: message_facts(choice).get("tool_calls") or [],
        choice["finish_reason"],
    )
