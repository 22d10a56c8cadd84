"""Verify: what a target answered is inspected, and checked against the schemas that it has to meet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.capabilities.confidence.signals import logprob_signal
from gateway.capabilities.redaction.answer import AnswerInspection
from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.schemas.answer_schema import AnswerSchema
from gateway.capabilities.schemas.extraction import extract, parse
from gateway.capabilities.schemas.model import STEPS, Checked, Failure
from gateway.domain import Destination, Json, Obligations, Origin
from gateway.pipeline.inspect import LARGE
from gateway.pipeline.intent import Plan
from gateway.settings import Target

_EVERYTHING = Obligations(reveal={Destination.CALLER: frozenset({"*"})})
"""What a schema is checked on: the restored values, with nothing hidden but secrets."""
_NOT_JSON = Checked(failures=(Failure("", "json"),), value=None, extracted=None)


class Checkable(Protocol):
    """What an answer is checked against."""

    @property
    def plan(self) -> Plan:
        """What it has to meet."""

    @property
    def inspection(self) -> Inspection:
        """What was found in the request that it answers."""


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
        return () if not self.checks else tuple(failure for check in self.checks if check is not None for failure in check.failures)

    @property
    def broken(self) -> bool:
        """Whether a choice breaks its schemas."""
        return bool(self.checks) and any(check is not None and check.failures for check in self.checks)

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


async def verify(allowed: Checkable, target: Target | None, given: Given, *, asked_logprobs: bool = True, origin: Origin = Origin.MODEL) -> Answer:
    """The answer, inspected and checked: in a thread where it is large, or where to check it takes longer than others can be made to wait.

    Args:
        allowed: The plan and the inspection of the intent that it answers.
        target: Who gave it.
        given: What came.
        asked_logprobs: Whether the caller asked for log probabilities; else they are read and taken out.
        origin: Who brought what is found in it.
    """
    if given.size >= LARGE:
        return await asyncio.to_thread(_verified, allowed, target, given, asked_logprobs, origin)
    logprobs = _logprobs(allowed, given, asked_logprobs)
    try:
        return _inspected(allowed, target, given, logprobs, _QUICKLY if origin is Origin.MODEL else _QUICKLY._replace(origin=origin))
    except _SlowError:
        return await asyncio.to_thread(_inspected, allowed, target, given, logprobs, _AT_LEISURE._replace(origin=origin))


class _SlowError(Exception):
    """A check takes longer than others can be made to wait."""


class _Pace(NamedTuple):
    """How an answer is looked at."""

    check: Callable[[AnswerSchema, str, int], Checked | None]
    """Given the schema, the text and how many steps there are for it; ``None`` where they are not enough."""
    steps: int
    """For all choices together: a caller says how many there are."""
    origin: Origin = Origin.MODEL


_QUICKLY = _Pace(AnswerSchema.check_quickly, 2_000)
"""Some ten milliseconds at worst, on the loop. Usual answers take a tenth of these steps."""
_AT_LEISURE = _Pace(AnswerSchema.check, STEPS)


def _verified(allowed: Checkable, target: Target | None, given: Given, asked_logprobs: bool, origin: Origin) -> Answer:
    return _inspected(allowed, target, given, _logprobs(allowed, given, asked_logprobs), _AT_LEISURE._replace(origin=origin))


def _logprobs(allowed: Checkable, given: Given, asked: bool) -> tuple[float | None, ...]:
    """The signal of each choice's log probabilities; takes out what the caller did not ask for."""
    if allowed.plan.route.assessment is None:
        return ()
    signals = tuple(logprob_signal(choice) for choice in given.body["choices"])
    if not asked:
        for part in (given.body, *(given.chunks or ())):
            for choice in part["choices"]:
                choice.pop("logprobs", None)
    return signals


def _inspected(allowed: Checkable, target: Target | None, given: Given, logprobs: tuple[float | None, ...], pace: _Pace) -> Answer:
    """Raises ``_SlowError``."""
    plan, body, chunks = allowed.plan, given.body, given.chunks
    inspection = allowed.inspection.inspect_answer(body, json=bool(plan.schemas), origin=pace.origin)
    if not plan.schemas:
        return Answer(target=target, body=body, chunks=chunks, inspection=inspection, logprobs=logprobs)
    checks = _checked(plan.schemas, inspection.for_caller(_EVERYTHING), pace)
    extracted = any(check is not None and check.extracted is not None for check in checks)
    if extracted:  # what leaves is the JSON alone; it is looked at once more, as it has leaves of its own now
        body, chunks = _without_prose(body), None
        inspection = allowed.inspection.inspect_answer(body, json=True, origin=pace.origin)
        checks = _checked(plan.schemas, inspection.for_caller(_EVERYTHING), pace)
    return Answer(target=target, body=body, chunks=chunks, inspection=inspection, checks=checks, extracted=extracted, logprobs=logprobs)


def _checked(schemas: tuple[AnswerSchema, ...], restored: Json, pace: _Pace) -> tuple[Checked | None, ...]:
    choices = restored["choices"]
    steps = pace.steps // len(choices)
    return tuple(_check(schemas, choice, pace, steps) for choice in choices)


def _check(schemas: tuple[AnswerSchema, ...], choice: Json, pace: _Pace, steps: int) -> Checked | None:
    """The check of a choice's content against all schemas. Calls of tools, refusals and what the provider withheld have no content to check."""
    message = choice["message"]
    content = message.get("content")
    if not content and (message.get("tool_calls") or message.get("function_call") or message.get("refusal") or choice.get("finish_reason") == "content_filter"):
        return None
    if not isinstance(content, str):
        return _NOT_JSON
    checks = []
    for schema in schemas:
        checked = pace.check(schema, content, steps)
        if checked is None:
            raise _SlowError
        checks.append(checked)
    if len(checks) == 1:
        return checks[0]
    return checks[0]._replace(failures=tuple(failure for checked in checks for failure in checked.failures))


def _without_prose(body: Json) -> Json:
    """The answer with each content reduced to the JSON in it."""
    choices = []
    for choice in body["choices"]:
        content = choice["message"].get("content")
        found = extract(content) if isinstance(content, str) and parse(content) is None else None
        choices.append(choice if found is None else {**choice, "message": {**choice["message"], "content": found.text}, "logprobs": None})
    return {**body, "choices": choices}
