"""Assess: what the gateway knows of each choice of an answer besides its content, and how far it can be trusted where the route asks for that."""

from __future__ import annotations

from gateway.capabilities.confidence.refusals import is_refusal
from gateway.capabilities.confidence.score import Signals, score
from gateway.capabilities.confidence.signals import self_reported, tool_errors
from gateway.capabilities.schemas.model import Checked
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
    for at in range(len(answer.body["choices"])):
        check = answer.checks[at] if answer.checks else None
        valid = None if check is None else not check.failures
        signals: Signals | None = None
        confidence: float | None = None
        if plan.route.assessment is not None:
            signals = _signals(intent, allowed, answer, at, repairs=repairs, fallback=fallback)
            confidence = score(signals, services.weights)
            if confidence is not None:
                services.metrics.confidence(plan.route.name, confidence)
        standings.append(
            Standing(
                author=author,
                schema_valid=valid,
                repairs=repairs,
                fallback=fallback,
                confidence=confidence,
                signals={} if signals is None else signals.facts(),
                last_resort=answer.target is None,
            )
        )
    intent.standings = tuple(standings)
    return intent.standings


def _signals(intent: Intent, allowed: Allowed, answer: Answer, at: int, *, repairs: int, fallback: bool) -> Signals:
    """What is known of the choice at ``at``."""
    choice, check = answer.body["choices"][at], answer.checks[at] if answer.checks else None
    return Signals(
        logprobs=answer.logprobs[at] if answer.logprobs else None,
        agreement=answer.agreement,
        schema_valid=None if check is None else not check.failures,
        repairs=repairs,
        self_reported=_reported(check, allowed),
        truncated=choice.get("finish_reason") == "length",
        refusal=is_refusal(choice["message"]),
        fallback=fallback,
        tool_errors=tool_errors(intent.call.body["messages"]),
    )


def _reported(check: Checked | None, allowed: Allowed) -> float | None:
    if check is None or check.failures:
        return None
    for schema in allowed.plan.schemas:
        said = self_reported(check.value, schema.document)
        if said is not None:
            return said
    return None
