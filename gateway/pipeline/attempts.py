"""Attempts: call targets until one answers. Retries, fallbacks, repairs, samples and hedges all come here, and share the course's budget and deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.capabilities.routing.course import Course, Step
from gateway.domain import Purpose
from gateway.errors import GatewayError, NoTarget, Overloaded, UpstreamError
from gateway.infrastructure.model_client import ModelRequest
from gateway.pipeline.assemble import Question
from gateway.pipeline.attempt import OpenAttempt, late
from gateway.pipeline.inspect import LARGE
from gateway.pipeline.intent import Intent
from gateway.pipeline.services import Services
from gateway.settings import Target

T = TypeVar("T")

FAILURES = (UpstreamError, NoTarget, Overloaded)
"""What leads to another target: it is no answer, and no decision of the gateway either."""


class Asking:
    """Calls the targets of one intent's course."""

    def __init__(self, services: Services, intent: Intent, course: Course) -> None:
        self._services = services
        self._intent = intent
        self.course = course

    async def first_answer(self, question: Question, work: Callable[[OpenAttempt], Awaitable[T]], *, hedged: bool = False) -> T:
        """What ``work`` makes of the first target that answers. Each failure leads to a retry or to the next target, as the course has it.

        Args:
            question: What to ask.
            work: Calls the target of an attempt and gives what it answered. An error of the target must leave it as ``GatewayError``.
            hedged: Whether a second target may be asked beside a slow one, if the route says so. The work of the loser is cancelled.

        Raises:
            GatewayError: No target answered: the last one's error, or why none could be called.
        """
        failure: GatewayError | None = None
        after_s = self._intent.plan.route.hedge_after_s if hedged and self._intent.plan is not None else None
        while (step := self.course.next()) is not None:
            try:
                return await (self.once(step, question, work) if after_s is None else self._with_hedge(step, question, work, after_s))
            except FAILURES as error:
                failure = error
        raise self._ended(failure)

    async def one_more(self, purpose: Purpose, target: Target, question: Question, work: Callable[[OpenAttempt], Awaitable[T]]) -> T | None:
        """Call one target for a purpose; ``None`` where the budget, the deadline or the target's state does not allow it.

        Raises:
            GatewayError: The target failed.
        """
        step = self.course.next(purpose, target)
        return None if step is None else await self.once(step, question, work)

    async def once(self, step: Step, question: Question, work: Callable[[OpenAttempt], Awaitable[T]]) -> T:
        """Take one step of the course."""
        attempt: OpenAttempt | None = None
        try:
            if step.wait_s:
                await asyncio.sleep(step.wait_s)
            attempt = OpenAttempt(self._services, self._intent, self.course, step, await self._request(question, step.target))
            async with attempt.in_time():
                return await work(attempt)
        except TimeoutError:
            self.course.expire()
            raise late() from None
        finally:
            if attempt is None:  # nobody was called, so nobody will say how it went
                self.course.dropped(step)

    async def _request(self, question: Question, target: Target) -> ModelRequest:
        return question.to(target) if self._intent.call.size < LARGE else await asyncio.to_thread(question.to, target)

    async def _with_hedge(self, step: Step, question: Question, work: Callable[[OpenAttempt], Awaitable[T]], after_s: float) -> T:
        """The first answer of two targets, the second of which is asked if the first takes longer than ``after_s``."""
        running = {asyncio.create_task(self.once(step, question, work))}
        wait_s: float | None = after_s
        failure: BaseException | None = None
        try:
            while running:
                done, running = await asyncio.wait(running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    wait_s, hedge = None, self.course.next(Purpose.HEDGE)
                    if hedge is not None:
                        running.add(asyncio.create_task(self.once(hedge, question, work)))
                for task, failed in [(task, task.exception()) for task in done]:
                    failure = failed
                    if failure is None:
                        return task.result()
        finally:
            await _cancel(running)
        raise failure or late()

    def _ended(self, failure: GatewayError | None) -> GatewayError:
        if failure is not None:
            return failure
        if self.course.exhausted == "deadline":
            return late()
        return NoTarget("no target of this route can be called now; try again shortly", headers={"retry-after": str(self.course.back_in_s)})


async def _cancel(running: set[asyncio.Task[T]]) -> None:
    for task in running:
        task.cancel()
    # Its outcome is asked for, as asyncio would report an error that nobody heard of.
    await asyncio.gather(*running, return_exceptions=True)
