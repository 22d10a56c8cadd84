"""Relay: brings one streamed answer to its caller and closes its record, however the stream ends; one kind of it holds the answer back until it was judged."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Any

from gateway.capabilities.redaction.stream import ChatStream
from gateway.capabilities.streaming import KEEP_ALIVE, FinishHolder, chunks_of, error_event, event
from gateway.domain import Destination, State
from gateway.errors import GatewayError
from gateway.pipeline.admit import leave
from gateway.pipeline.close import close, crashed, cut_off, denied, refuse
from gateway.pipeline.hold import hold
from gateway.pipeline.intent import Allowed, Denied, Ending, Intent, Refused, Screened
from gateway.pipeline.parked import Held, Parked
from gateway.pipeline.pending import waited_events
from gateway.pipeline.release import gateway_object, judge, note_logprobs, note_response
from gateway.pipeline.services import Services
from gateway.pipeline.verify import Answer

_AT_A_TIME = 200
"""Chunks of a held answer that are made ready before others have their turn: some milliseconds."""


class Relay(ABC):
    """Brings one streamed answer to the caller."""

    def __init__(self, services: Services, intent: Intent, allowed: Allowed) -> None:
        self._services = services
        self.intent = intent
        self._allowed = allowed
        self._holder = FinishHolder()
        self._redactor: ChatStream | None = None
        self._left = False
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
            if self.handed_over and not self.intent.parking:
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
                self._leave()

    def _leave(self) -> None:
        """Give the place among the running intents back, once."""
        if not self._left:
            self._left = True
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


class ParkedFirst(Exception):
    """The answer waits for a person, and nothing of the stream has left yet."""

    def __init__(self, parked: Parked) -> None:
        super().__init__()
        self.parked = parked


class BufferedRelay(Relay):
    """Holds an answer back until it was judged, by policy and where policy wants that by a person."""

    def __init__(self, services: Services, intent: Intent, allowed: Allowed, answer: Awaitable[Answer]) -> None:
        super().__init__(services, intent, allowed)
        self._answer = answer

    async def _produced(self) -> AsyncGenerator[bytes, None]:
        work = asyncio.ensure_future(self._judged())
        try:
            while not (await asyncio.wait({work}, timeout=self._services.keep_alive_s))[0]:
                if self.intent.opened is not None:
                    await asyncio.shield(self.intent.opened)  # a keep-alive brings the headers, which name a record: there has to be one
                yield KEEP_ALIVE
            outcome = work.result()
        finally:
            work.cancel()
            await asyncio.wait({work})
        if isinstance(outcome, bytes):
            self._first_content()
            yield outcome
        elif isinstance(outcome, Refused):
            raise outcome.error
        elif not self.handed_over:
            raise ParkedFirst(outcome)
        else:
            self._leave()
            async with aclosing(waited_events(self._services, outcome, self.intent.call)) as events:
                async for event in events:
                    yield event

    async def _judged(self) -> bytes | Parked | Refused:
        """Obtain the answer, judge it, record it; then all of its events at once."""
        answer = await self._answer
        verdict = await judge(self._services, self.intent, self._allowed, answer)
        if isinstance(verdict, Held):
            return await hold(self._services, self.intent, verdict, answer)
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
