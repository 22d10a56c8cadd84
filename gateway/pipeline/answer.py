"""Answer: what a route does until it has an answer worth showing to policy.

Retries and fallbacks get one, samples choose among several, repairs mend what breaks its schema, another target is asked afresh where they could not, and the
route's last resort stands in where nobody could. All of it is bounded by the course.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from gateway.capabilities.confidence.agreement import agreement
from gateway.capabilities.routing.reactions import is_of_the_request
from gateway.capabilities.schemas.repair import repair_message
from gateway.domain import Destination, Json, Obligations, Purpose
from gateway.errors import GatewayError
from gateway.pipeline.assemble import Question
from gateway.pipeline.attempt import OpenAttempt
from gateway.pipeline.attempts import FAILURES, Asking
from gateway.pipeline.inspect import LARGE
from gateway.pipeline.intent import Allowed, Intent, Repair
from gateway.pipeline.services import Services
from gateway.pipeline.verify import Answer, Given, verify
from gateway.settings import Target

Read: TypeAlias = Callable[[OpenAttempt], Awaitable[Given]]
"""Calls an attempt's target and reads the whole of its answer."""

LAST_RESORT = "last_resort"


class Obtaining:
    """Brings one intent to its answer."""

    def __init__(self, services: Services, intent: Intent, allowed: Allowed, asking: Asking, read: Read) -> None:
        self._services = services
        self._intent = intent
        self._allowed = allowed
        self._asking = asking
        self._read = read
        self._asked_logprobs = bool(intent.call.body.get("logprobs"))
        self._unsound: list[Target] = []
        """Whose answers broke the schema."""

    async def answer(self, question: Question) -> Answer:
        """The answer to keep: sound where one could be had, else the last one that came.

        Raises:
            GatewayError: No target answered, and the route has no last resort.
        """
        try:
            answer = await self._asking.first_answer(question, self._work, hedged=True)
            answer = await self._sampled(question, answer)
            if answer.broken:
                answer = await self._repaired(question, answer)
            if answer.broken:
                answer = await self._replaced(question, answer)
        except FAILURES as error:
            fixed = await last_resort(self._services, self._intent, self._allowed, error)
            if fixed is None:
                raise
            return fixed
        return await self._kept(answer)

    async def _kept(self, answer: Answer) -> Answer:
        if answer.broken:
            fixed = await last_resort(self._services, self._intent, self._allowed)
            if fixed is not None:
                return fixed
        if answer.extracted and answer.target is not None:
            self._intent.repairs.append(Repair("extracted", answer.target.name))
        self._intent.answered_by = None if answer.target is None else answer.target.name
        self._intent.schema_failures = answer.failures
        return answer

    async def _work(self, attempt: OpenAttempt) -> Answer:
        given = await self._read(attempt)
        return await verify(self._allowed, attempt.target, given, asked_logprobs=self._asked_logprobs)

    async def _sampled(self, question: Question, answer: Answer) -> Answer:
        """Ask the same target the same question again, as often as the route says, and keep the answer that agrees most with the others."""
        assessment, target = self._allowed.plan.route.assessment, answer.target
        if assessment is None or assessment.samples < 2 or target is None or len(answer.body["choices"]) > 1:
            return answer
        more = (self._asking.one_more(Purpose.SAMPLE, target, question, self._work) for _ in range(assessment.samples - 1))
        outcomes = await asyncio.gather(*more, return_exceptions=True)
        crash = next((one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, FAILURES)), None)
        if crash is not None:
            raise crash
        samples = [answer, *(one for one in outcomes if isinstance(one, Answer))]
        return answer if len(samples) == 1 else _best(samples)

    async def _repaired(self, question: Question, answer: Answer) -> Answer:
        """Tell the model where its answer breaks the schema: as often as the route says, and never what stands there."""
        declared = self._allowed.plan.route.repair
        for _ in range(declared.asks):
            target = declared.target or answer.target
            if not answer.broken or target is None or answer.target is None:
                break
            texts = [answer.text, repair_message(answer.failures, truncated=answer.truncated)]
            said, instruction = await self._shown(texts, len(answer.text), self._revealed_to(target, answer.target))
            again = question.again(answer=said, instruction=instruction, temperature=declared.temperature)
            try:
                mended = await self._asking.one_more(Purpose.REPAIR, target, again, self._work)
            except FAILURES:
                self._services.metrics.repair(self._allowed.plan.route.name, "failed")
                break
            if mended is None:
                break
            self._intent.repairs.append(Repair("asked", answer.target.name, answer.failures))
            self._unsound.append(answer.target)
            answer = replace(mended, agreement=answer.agreement)
        return answer

    def _revealed_to(self, target: Target, author: Target) -> Obligations:
        """What an answer may reveal to the target that is to mend it: to another than its author, nothing that the route keeps from that one."""
        obligations = self._allowed.obligations
        kept = next((one.when.without for one in self._allowed.plan.route.targets if one.target.name == target.name), frozenset())
        if target.name == author.name or not kept:
            return obligations
        granted = obligations.reveal.get(Destination.MODEL, frozenset())
        left = frozenset() if "*" in granted else granted - kept
        return replace(obligations, reveal={**obligations.reveal, Destination.MODEL: left})

    async def _shown(self, texts: list[str], size: int, obligations: Obligations) -> list[str]:
        """Texts as a model may see them; in a thread where they are large."""
        redact = self._allowed.inspection.redact
        shown: list[str] = (
            await asyncio.to_thread(redact, texts, obligations, Destination.MODEL) if size >= LARGE else redact(texts, obligations, Destination.MODEL)
        )
        return shown

    async def _replaced(self, question: Question, answer: Answer) -> Answer:
        """Ask the targets that are left afresh; the last answer where they fail, or break the schema too."""
        course = self._asking.course
        for target in self._unsound:
            course.give_up_target(target)
        while answer.broken and answer.target is not None:
            course.give_up_target(answer.target)
            try:
                other = await self._asking.first_answer(question, self._work)
            except FAILURES:
                break
            self._intent.repairs.append(Repair("replaced", answer.target.name, answer.failures))
            answer = other
        return answer


async def read_answer(attempt: OpenAttempt) -> Given:
    """Read an answer that comes whole.

    Raises:
        GatewayError: The target failed; the attempt has ended with that error.
    """
    reply = await attempt.complete()
    return Given(reply.body, None, len(reply.raw))


async def last_resort(services: Services, intent: Intent, allowed: Allowed, error: GatewayError | None = None) -> Answer | None:
    """The route's fixed answer, if it declares one and that meets what the caller asked for. What the request itself has wrong is not covered up."""
    text = allowed.plan.route.last_resort
    if text is None or (error is not None and is_of_the_request(error)):
        return None
    answer = await verify(allowed, None, Given(_completion(intent, text), None))
    if answer.broken:
        return None
    intent.answered_by = LAST_RESORT
    intent.schema_failures = ()
    services.metrics.last_resort(allowed.plan.route.name)
    return answer


def _completion(intent: Intent, text: str) -> Json:
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": f"chatcmpl-{intent.id}",
        "object": "chat.completion",
        "created": time.time_ns() // 1_000_000_000,
        "model": LAST_RESORT,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def _best(samples: list[Answer]) -> Answer:
    """The sample that agrees most with the others; one that meets its schema where there is one."""
    level, best = agreement([_spoken(sample) for sample in samples])
    sound = [at for at, sample in enumerate(samples) if not sample.broken]
    if samples[best].broken and sound:  # they differ at least from those that broke, so what they agree on counts less
        level = len(sound) / len(samples) * (level or 0.0)
        best = sound[agreement([_spoken(samples[at]) for at in sound])[1]]
    return replace(samples[best], agreement=level)


def _spoken(answer: Answer) -> str:
    """What two samples are compared by: the content, and the calls where there are any."""
    message = answer.body["choices"][0]["message"]
    calls = [call.get("function") for call in message.get("tool_calls") or ()]
    content = message.get("content")
    return f"{content if isinstance(content, str) else ''}{calls or ''}"
