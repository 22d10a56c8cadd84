"""The second half of the path for a streamed answer: attempt, screen and close interleave with what the caller already reads.

Mode ``pass``: each chunk is redacted, restored and forwarded as it comes; the finish waits for usage, the answer policy and the durable record. Another target
is asked as long as nothing has left. Mode ``buffered``: nothing but keep-alives leaves until the whole answer was obtained, judged and recorded.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Any

import orjson

from gateway.capabilities.redaction.stream import ChatStream
from gateway.capabilities.streaming import KEEP_ALIVE, FinishHolder, checked_chunk, chunks_of, error_event, event, gather
from gateway.domain import Destination, Json, State, StreamMode
from gateway.errors import GatewayError, UpstreamMalformed, UpstreamTimeout
from gateway.infrastructure.model_client import AnswerStream
from gateway.pipeline.admit import leave
from gateway.pipeline.answer import Obtaining, last_resort
from gateway.pipeline.assemble import Question
from gateway.pipeline.attempt import OpenAttempt
from gateway.pipeline.attempts import FAILURES, Asking
from gateway.pipeline.close import close, crashed, cut_off, denied, refuse
from gateway.pipeline.facts import message_facts
from gateway.pipeline.intent import Allowed, Denied, Ending, Intent, ReleasedStream, Screened, Standing
from gateway.pipeline.release import gateway_object, judge, note_logprobs, note_response
from gateway.pipeline.screen import Said, screen
from gateway.pipeline.services import Services
from gateway.pipeline.verify import Answer, Given

_AT_A_TIME = 200
"""Chunks of a held answer that are made ready before others have their turn: some milliseconds."""


async def open_stream(services: Services, intent: Intent, allowed: Allowed, asking: Asking, question: Question) -> ReleasedStream:
    """Start the stream and wait for its first events, so that what fails before them is refused with a status of its own.

    Raises:
        GatewayError: No target answered, or policy refused, before anything could leave.
    """
    if allowed.plan.stream_mode is StreamMode.BUFFERED:
        return await _started(BufferedRelay(services, intent, allowed, Obtaining(services, intent, allowed, asking, read_stream).answer(question)))

    async def begin(attempt: OpenAttempt) -> ReleasedStream:
        return await _started(PassRelay(services, intent, allowed, attempt, await attempt.open_stream()))

    try:
        return await asking.first_answer(question, begin)
    except FAILURES as error:
        fixed = await last_resort(services, intent, allowed, error)
        if fixed is None:
            raise
        return await _started(BufferedRelay(services, intent, allowed, _known(fixed)))


async def read_stream(attempt: OpenAttempt) -> Given:
    """Read a stream to its end, for an answer that is wanted whole.

    Raises:
        GatewayError: The target failed; the attempt has ended with that error.
    """
    upstream, chunks = await attempt.open_stream(), list[Json]()
    try:
        async for batch in upstream:
            attempt.heard(batch)
            chunks.extend(checked_chunk(chunk) for chunk in batch)
        answer = gather(chunks)
        await attempt.end(answer, answer.get("usage"))
    except (GatewayError, asyncio.CancelledError) as error:
        attempt.fail(error, gather(chunks))
        raise
    finally:
        attempt.fail()  # does nothing where it is known how it ended
        await upstream.aclose()
    return Given(answer, chunks, len(orjson.dumps(answer)))


async def _known(answer: Answer) -> Answer:
    return answer


async def _started(relay: Relay) -> ReleasedStream:
    events = relay.events()
    try:
        first = await anext(events)
    except StopAsyncIteration:
        raise UpstreamMalformed("the target's stream ended before it began") from None
    relay.handed_over = True
    return ReleasedStream(intent=relay.intent, first=first, rest=events)


class Relay(ABC):
    """Brings one streamed answer to the caller."""

    def __init__(self, services: Services, intent: Intent, allowed: Allowed) -> None:
        self._services = services
        self.intent = intent
        self._allowed = allowed
        self._holder = FinishHolder()
        self._redactor: ChatStream | None = None
        self.handed_over = False
        """Whether the caller has the stream: from then on its record is closed here, before that by ``run``."""

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events for the caller. Whatever ends them, the record is closed and the upstream let go."""
        body = self._produced()
        try:
            async with aclosing(body):
                async for events in body:
                    yield events
        except GatewayError as error:
            self._fail(error)
            if not self.handed_over:
                raise
            yield error_event(await self._refuse(error))
        except (asyncio.CancelledError, GeneratorExit):
            self._fail(asyncio.CancelledError())
            if self.handed_over:
                await close(self._services, self.intent, cut_off(self._services, **self._seen()))
            raise
        # The one place that records a crash once a stream has begun; before that it is ``run``.
        except Exception as error:
            self._fail(error)
            if not self.handed_over:
                raise
            yield error_event(await self._refuse(crashed(self.intent, error)))
        finally:
            await self._let_go()
            if self.handed_over:
                leave(self._services)

    @abstractmethod
    def _produced(self) -> AsyncGenerator[bytes, None]:
        """The events of an answer that ends well."""

    @abstractmethod
    def _fail(self, error: BaseException) -> None:
        """The stream has broken off."""

    @abstractmethod
    async def _let_go(self) -> None:
        """Free what the stream holds."""

    def _redact(self, obligations: Any) -> ChatStream:
        redactor = self._redactor = self._allowed.inspection.stream(obligations, json=bool(self._allowed.plan.schemas))
        return redactor

    def _first_content(self) -> None:
        """Note how long the caller waited for the first of the answer."""
        self._services.metrics.first_token(self._allowed.plan.route.name, time.time_ns() - self.intent.call.received_ns)

    async def _complete(self, redactor: ChatStream, verdict: Screened) -> bytes:
        """The final events, which are made before the record says that the caller got them and leave when it is durable."""
        intent = self.intent
        response_id = self._allowed.inspection.redact(self._holder.envelope.get("id"), intent.obligations, Destination.RECORD)
        note_response(intent, response_id)
        note_logprobs(intent, redactor.logprobs_dropped)
        intent.notes["stream_mode"] = self._allowed.plan.stream_mode
        added = gateway_object(intent, verdict.obligations, redactor.redactions)
        finals = self._holder.finals(added, include_usage=self._asked_for_usage)
        await close(self._services, intent, Ending(state=State.COMPLETED, **self._seen()))
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
        return (await refuse(self._services, self.intent, error, **self._seen())).error

    @property
    def _asked_for_usage(self) -> bool:
        options = self.intent.call.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True


class PassRelay(Relay):
    """Forwards one target's stream as it comes."""

    def __init__(self, services: Services, intent: Intent, allowed: Allowed, attempt: OpenAttempt, upstream: AnswerStream) -> None:
        super().__init__(services, intent, allowed)
        self._attempt = attempt
        self._upstream = upstream
        self._held_up_ns = 0
        """How long the caller took to read what it was given."""

    async def _produced(self) -> AsyncGenerator[bytes, None]:
        intent, attempt, holder, redactor = self.intent, self._attempt, self._holder, self._redact(self._allowed.obligations)
        durable = False
        while (chunks := await self._next()) is not None:
            attempt.heard(chunks)
            leaving = [event(kept) for chunk in chunks if (kept := holder.take(redactor.push(checked_chunk(chunk)))) is not None]
            if leaving:
                if not durable and intent.opened is not None:
                    await asyncio.shield(intent.opened)
                    durable = True
                    self._first_content()
                given_ns = time.time_ns()
                yield b"".join(leaving)
                self._held_up_ns += time.time_ns() - given_ns
        answer = holder.completion(redactor.record_choices())
        await attempt.end(answer, holder.usage)
        verdict = await self._screened(answer, redactor)
        yield await self._complete(redactor, verdict)

    async def _next(self) -> list[Json] | None:
        """The next chunks; ``None`` at the end."""
        try:
            async with self._attempt.in_time():
                return await anext(self._upstream)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise self._attempt.late() from None

    async def _screened(self, answer: Json, redactor: ChatStream) -> Screened:
        intent, target = self.intent, self._attempt.target
        intent.answered_by = target.name
        standing = Standing(author=target.model, fallback=target.name != intent.first_choice)
        intent.standings = (standing,)
        choices = [_said(choice["message"], standing) for choice in answer["choices"]]
        verdict = await screen(self._services, intent, self._allowed.plan, redactor.findings, choices)
        if isinstance(verdict, Denied):
            raise denied(verdict)
        return verdict

    def _fail(self, error: BaseException) -> None:
        # A limit of time that a slow reader used up says nothing against the target: a few such callers would keep all others from it.
        slow_reader = isinstance(error, UpstreamTimeout) and 2 * self._held_up_ns > time.time_ns() - self._attempt.started_ns
        self._attempt.fail(error, None if self._redactor is None else self._holder.completion(self._redactor.record_choices()), blames=not slow_reader)

    async def _let_go(self) -> None:
        await self._upstream.aclose()


class BufferedRelay(Relay):
    """Holds an answer back until it was judged."""

    def __init__(self, services: Services, intent: Intent, allowed: Allowed, answer: Awaitable[Answer]) -> None:
        super().__init__(services, intent, allowed)
        self._answer = answer

    async def _produced(self) -> AsyncGenerator[bytes, None]:
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
        """Obtain the answer, judge it, record it; then all of its events at once."""
        answer = await self._answer
        verdict = await judge(self._services, self.intent, self._allowed, answer)
        if isinstance(verdict, Denied):
            raise denied(verdict)
        redactor = self._redact(verdict.obligations)
        chunks = answer.chunks if answer.chunks is not None else chunks_of(answer.body)
        leaving = []
        for at, chunk in enumerate(chunks, start=1):
            kept = self._holder.take(redactor.push(chunk))
            if kept is not None:
                leaving.append(event(kept))
            if at % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        return b"".join([*leaving, await self._complete(redactor, verdict)])

    def _fail(self, error: BaseException) -> None:
        """Whoever called the targets has ended their attempts."""

    async def _let_go(self) -> None:
        """Nothing is held."""


def _said(choice: Json, standing: Standing) -> Said:
    """A choice of a passed stream, redacted for the record, for a policy that went live while it ran and reads content: it must not find none."""
    return Said(
        lambda: "\n".join(filter(None, (choice["content"], choice["refusal"]))),
        lambda: message_facts(choice).get("tool_calls") or [],
        choice["finish_reason"],
        standing,
    )
