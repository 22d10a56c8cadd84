"""The second half of the path for a streamed answer: attempt, screen and close interleave with what the caller already reads.

Mode ``pass``: each chunk is redacted, restored and forwarded as it comes; the finish waits for usage, the answer policy and the durable record. Another target
is asked as long as nothing has left. Mode ``buffered``: nothing but keep-alives leaves until the whole answer was obtained, judged and recorded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import orjson

from gateway.capabilities.redaction.stream import ChatStream
from gateway.capabilities.streaming import checked_chunk, event, gather
from gateway.domain import Json, Reason, StreamMode
from gateway.errors import GatewayError, PolicyDenied, UpstreamMalformed, UpstreamTimeout
from gateway.infrastructure.model_client import AnswerStream
from gateway.pipeline.answer import Obtaining, last_resort
from gateway.pipeline.assemble import Question
from gateway.pipeline.attempt import OpenAttempt
from gateway.pipeline.attempts import FAILURES, Asking
from gateway.pipeline.close import denied
from gateway.pipeline.facts import message_facts
from gateway.pipeline.intent import Allowed, Denied, Intent, ReleasedStream, Screened, Standing
from gateway.pipeline.parked import Held, Parked
from gateway.pipeline.relay import BufferedRelay, ParkedFirst, Relay
from gateway.pipeline.screen import Said, screen
from gateway.pipeline.services import Services
from gateway.pipeline.verify import Answer, Given

_TOO_LATE = Reason(
    "policy.too_late", "policy wants a person to review an answer that has left already; a route whose answers are reviewed needs `buffered: true`"
)


async def open_stream(services: Services, intent: Intent, allowed: Allowed, asking: Asking, question: Question) -> ReleasedStream | Parked:
    """Start the stream and wait for its first events, so that what fails before them is refused with a status of its own.

    Raises:
        GatewayError: No target answered, or policy refused, before anything could leave.
    """
    if allowed.plan.stream_mode is StreamMode.BUFFERED:
        return await _held(BufferedRelay(services, intent, allowed, Obtaining(services, intent, allowed, asking, read_stream).answer(question)))

    async def begin(attempt: OpenAttempt) -> ReleasedStream:
        return await _started(PassRelay(services, intent, allowed, attempt, await attempt.open_stream()))

    try:
        return await asking.first_answer(question, begin)
    except FAILURES as error:
        fixed = await last_resort(services, intent, allowed, error)
        if fixed is None:
            raise
        return await _held(BufferedRelay(services, intent, allowed, _known(fixed)))


async def _held(relay: BufferedRelay) -> ReleasedStream | Parked:
    try:
        return await _started(relay)
    except ParkedFirst as first:
        return first.parked


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
        if isinstance(verdict, Held):
            raise PolicyDenied((_TOO_LATE, *verdict.reasons))
        if isinstance(verdict, Denied):
            raise denied(verdict)
        return verdict

    def _fail(self, error: BaseException) -> None:
        # A limit of time that a slow reader used up says nothing against the target: a few such callers would keep all others from it.
        slow_reader = isinstance(error, UpstreamTimeout) and 2 * self._held_up_ns > time.time_ns() - self._attempt.started_ns
        self._attempt.fail(error, None if self._redactor is None else self._holder.completion(self._redactor.record_choices()), blames=not slow_reader)

    async def _let_go(self) -> None:
        await self._upstream.aclose()


def _said(choice: Json, standing: Standing) -> Said:
    """A choice of a passed stream, redacted for the record, for a policy that went live while it ran and reads content: it must not find none."""
    return Said(
        lambda: "\n".join(filter(None, (choice["content"], choice["refusal"]))),
        lambda: message_facts(choice).get("tool_calls") or [],
        choice["finish_reason"],
        standing,
    )
