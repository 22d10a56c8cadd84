"""Verify: what a target answered is inspected, and checked against the schemas that it has to meet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from gateway.capabilities.confidence.signals import logprob_signal
from gateway.capabilities.redaction.answer import AnswerInspection
from gateway.capabilities.schemas.answer_schema import AnswerSchema
from gateway.capabilities.schemas.model import Checked, Failure
from gateway.domain import Destination, Json, Obligations
from gateway.pipeline.inspect import LARGE
from gateway.pipeline.intent import Allowed
from gateway.settings import Target

_EVERYTHING = Obligations(reveal={Destination.CALLER: frozenset({"*"})})
"""What a schema is checked on: the restored values, with nothing hidden but secrets."""
_NOT_JSON = Checked(failures=(Failure("", "json"),), value=None, extracted=None)


class Given(NamedTuple):
    """What a target answered, as it came."""

    body: Json
    """A whole chat completion."""
    chunks: list[Json] | None
    """The chunks that it was put together from, where it was streamed."""
    size: int = 0
    """In bytes, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that was inspected and checked."""

    target: Target | None
    """Who gave it; ``None`` for the route's fixed answer."""
    body: Json
    """A whole chat completion, placeholders and all."""
    chunks: list[Json] | None
    """As they came; ``None`` where it did not come as, or no longer is, these chunks."""
    inspection: AnswerInspection
    checks: tuple[Checked | None, ...] = ()
    """Of each choice, the check of its content; ``None`` where there is nothing to check."""
    extracted: bool = False
    """Whether a choice's JSON was taken out of other text that stood around it."""
    logprobs: tuple[float | None, ...] = ()
    """Of each choice, the signal of its log probabilities, where the route assesses."""
    agreement: float | None = None
    """How far several answers to the same question agree, where the route asks for them."""

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Where the content breaks its schemas."""
        return tuple(failure for check in self.checks if check is not None for failure in check.failures)

    @property
    def broken(self) -> bool:
        """Whether a choice breaks its schemas."""
        return any(check is not None and check.failures for check in self.checks)

    @property
    def truncated(self) -> bool:
        """Whether a choice was cut off by the cap on tokens."""
        return any(choice.get("finish_reason") == "length" for choice in self.body["choices"])

    @property
    def text(self) -> str:
        """The content of the first choice that breaks its schema, or of the first one."""
        broken = (choice for choice, check in zip(self.body["choices"], self.checks, strict=False) if check is not None and check.failures)
        content = next(broken, self.body["choices"][0])["message"].get("content")
        return content if isinstance(content, str) else ""


async def verify(allowed: Allowed, target: Target | None, given: Given, *, asked_logprobs: bool = True) -> Answer:
    """The answer, inspected and checked: in a thread where it is large.

    Args:
        allowed: The intent that it answers.
        target: Who gave it.
        given: What came.
        asked_logprobs: Whether the caller asked for log probabilities; else they are read and taken out.
    """
    if given.size < LARGE:
        return _verified(allowed, target, given, asked_logprobs)
    return await asyncio.to_thread(_verified, allowed, target, given, asked_logprobs)


def _verified(allowed: Allowed, target: Target | None, given: Given, asked_logprobs: bool) -> Answer:
    plan, body, chunks = allowed.plan, given.body, given.chunks
    logprobs: tuple[float | None, ...] = ()
    if plan.route.assessment is not None:
        logprobs = tuple(logprob_signal(choice) for choice in body["choices"])
        if not asked_logprobs:
            _drop_logprobs(body, chunks)
    inspection = allowed.inspection.inspect_answer(body, json=bool(plan.schemas))
    if not plan.schemas:
        return Answer(target=target, body=body, chunks=chunks, inspection=inspection, logprobs=logprobs)
    checks = _checked(plan.schemas, inspection.for_caller(_EVERYTHING))
    extracted = any(check is not None and check.extracted is not None for check in checks)
    if extracted:  # what leaves is the JSON alone; it is looked at once more, as it has leaves of its own now
        body, chunks = _without_prose(plan.schemas[0], body), None
        inspection = allowed.inspection.inspect_answer(body, json=True)
        checks = _checked(plan.schemas, inspection.for_caller(_EVERYTHING))
    return Answer(target=target, body=body, chunks=chunks, inspection=inspection, checks=checks, extracted=extracted, logprobs=logprobs)


def _drop_logprobs(body: Json, chunks: list[Json] | None) -> None:
    """Take out what the caller did not ask for."""
    for part in (body, *(chunks or ())):
        for choice in part["choices"]:
            choice.pop("logprobs", None)


def _checked(schemas: tuple[AnswerSchema, ...], restored: Json) -> tuple[Checked | None, ...]:
    return tuple(_check(schemas, choice) for choice in restored["choices"])


def _check(schemas: tuple[AnswerSchema, ...], choice: Json) -> Checked | None:
    """The check of a choice's content against all schemas. Calls of tools, refusals and what the provider withheld have no content to check."""
    message = choice["message"]
    content = message.get("content")
    if not content and (message.get("tool_calls") or message.get("function_call") or message.get("refusal") or choice.get("finish_reason") == "content_filter"):
        return None
    if not isinstance(content, str):
        return _NOT_JSON
    first, *others = [schema.check(content) for schema in schemas]
    return first._replace(failures=(*first.failures, *(failure for other in others for failure in other.failures)))


def _without_prose(schema: AnswerSchema, body: Json) -> Json:
    """The answer with each content reduced to the JSON in it."""
    choices = []
    for choice in body["choices"]:
        content = choice["message"].get("content")
        found = schema.check(content).extracted if isinstance(content, str) else None
        choices.append(choice if found is None else {**choice, "message": {**choice["message"], "content": found}, "logprobs": None})
    return {**body, "choices": choices}
