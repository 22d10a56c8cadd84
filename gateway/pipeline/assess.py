"""Assess: what the gateway knows of each choice of an answer besides its content, and how far it can be trusted where the route asks for that."""

from __future__ import annotations

from dataclasses import replace

from gateway.capabilities.confidence.refusals import is_refusal
from gateway.capabilities.confidence.score import Signals, score
from gateway.capabilities.confidence.signals import self_reported, tool_errors
from gateway.capabilities.schemas.model import Checked
from gateway.domain import Json
from gateway.pipeline.answer import LAST_RESORT
from gateway.pipeline.intent import Allowed, Intent, Standing
from gateway.pipeline.services import Services
from gateway.pipeline.verify import Answer

_MENDED = ("asked", "extracted")
"""Repairs of an answer, as opposed to what replaces it."""


def assess(services: Services, intent: Intent, allowed: Allowed, answer: Answer) -> tuple[Standing, ...]:
    """How each choice stands."""
    plan = allowed.plan
    repairs = len([repair for repair in intent.repairs if repair.kind in _MENDED]) if intent.repairs else 0
    fallback = answer.target is None or answer.target.name != intent.first_choice
    author = LAST_RESORT if answer.target is None else answer.target.model
    standings = []
    for at, choice in enumerate(answer.body["choices"]):
        check = answer.checks[at] if answer.checks else None
        valid = None if check is None else not check.failures
        plain = Standing(author=author, schema_valid=valid, repairs=repairs, fallback=fallback, last_resort=answer.target is None)
        if plan.route.assessment is None:
            standings.append(plain)
            continue
        signals = Signals(
            logprobs=answer.logprobs[at] if answer.logprobs else None,
            agreement=answer.agreement,
            schema_valid=valid,
            repairs=repairs,
            self_reported=_reported(check, allowed),
            truncated=choice.get("finish_reason") == "length",
            refusal=is_refusal(choice["message"]),
            fallback=fallback,
            tool_errors=tool_errors(intent.call.body["messages"]),
        )
        confidence = score(signals, services.weights)
        if confidence is not None:
            services.metrics.confidence(plan.route.name, confidence)
        standings.append(replace(plain, confidence=confidence, signals=signals.facts()))
    intent.standings = tuple(standings)
    return intent.standings


def _reported(check: Checked | None, allowed: Allowed) -> float | None:
    if check is None or check.failures:
        return None
    documents: list[Json] = [schema.document for schema in allowed.plan.schemas]
    return next((said for document in documents if (said := self_reported(check.value, document)) is not None), None)
