"""Screen: ask the answer policy about every choice; one that is refused refuses all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.capabilities.approvals import approval_input
from gateway.domain import Decision, Destination, FindingCount, Hook, Json, Obligations, Reason
from gateway.infrastructure.telemetry.semconv import decision_attributes
from gateway.pipeline.decide import subject_input, without_values
from gateway.pipeline.escalate import escalated, with_approvals
from gateway.pipeline.facts import finding_facts
from gateway.pipeline.intent import Denied, Intent, Plan, Screened, Standing
from gateway.pipeline.parked import Held
from gateway.pipeline.services import Services
from gateway.pipeline.shadow import asked

_OF_INTENTS = ("max_tokens", "routes", "retention_days", "require_schema")
"""Obligations that come too late with an answer: what cannot be met is refused, not overlooked."""


class Said(NamedTuple):
    """One choice of an answer for the policy: what is expensive is a callable, which runs only if the policy refers to it."""

    text: Callable[[], str]
    tool_calls: Callable[[], list[Any]]
    finish_reason: str | None
    standing: Standing


async def screen(services: Services, intent: Intent, plan: Plan, findings: Sequence[FindingCount], choices: Sequence[Said]) -> Screened | Held | Denied:
    """The verdict on the answer: every choice is asked about, in order, until one is refused. What the verdicts reveal is what all of them do."""
    intent.answer_findings = tuple(findings)
    for finding in findings:
        services.metrics.findings(finding.category, finding.count)
    screened: Screened | None = None
    held: Held | None = None
    for said in choices:
        verdict = await _judged(services, intent, plan, said)
        if isinstance(verdict, Denied):
            return verdict
        if isinstance(verdict, Held):
            held = held or verdict  # the others may be refused yet
        else:
            screened = verdict if screened is None else Screened(decision=verdict.decision, obligations=_both(screened.obligations, verdict.obligations))
    if held is not None:
        return held
    if screened is None:
        raise ValueError("an answer has at least one choice")
    return screened


def _both(one: Obligations, other: Obligations) -> Obligations:
    """What two verdicts on one answer grant together: only what each of them does."""
    return Obligations(
        reveal={destination: _common(one.reveal.get(destination, frozenset()), other.reveal.get(destination, frozenset())) for destination in Destination},
        allow_unscanned=one.allow_unscanned and other.allow_unscanned,
        allow_invalid=one.allow_invalid and other.allow_invalid,
        labels={**one.labels, **other.labels},
    )


def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    if "*" in one:
        return other
    return one if "*" in other else one & other


async def _judged(services: Services, intent: Intent, plan: Plan, said: Said) -> Screened | Held | Denied:
    async def ask() -> Decision:
        decision = without_values(services, intent, await asked(services, intent, Hook.ANSWER, _answer_input(services, intent, plan, said)))
        intent.decisions.append(decision)
        services.metrics.decision(decision)
        intent.step("screen", decision_attributes(decision))
        return decision

    decision = await with_approvals(services, intent, Hook.ANSWER, ask) if intent.approvals else await ask()
    if decision.verdict.outcome == "escalate":
        return escalated(services, intent, decision)
    if decision.verdict.outcome != "allow":
        return Denied(decision=decision, reasons=decision.verdict.reasons)
    obligations = decision.verdict.obligations
    unmet = next((name for name in _OF_INTENTS if getattr(obligations, name) is not None), None)
    if unmet is not None:
        return Denied(
            decision=decision, reasons=(Reason("policy.unsupported", f"policy demands {unmet} of an answer, which can only be demanded of an intent"),)
        )
    return Screened(decision=decision, obligations=obligations)


def _answer_input(services: Services, intent: Intent, plan: Plan, said: Said) -> Mapping[str, Any]:
    """The parts of ``gateway.input/v1`` that the answer hook knows."""
    standing = said.standing
    return {
        "subject": subject_input(services, intent.subject),
        "intent": {
            "id": intent.id,
            "parent_id": None,
            "root_id": intent.id,
            "depth": 0,
            "surface": intent.call.surface,
            "name": None,
            "labels": {},
            "idempotency_key": intent.call.idempotency_key,
        },
        "request": {"route": plan.route.name, "stream": intent.call.stream},
        "findings": finding_facts(intent.answer_findings),
        "approvals": [approval_input(approval) for approval in intent.approvals],
        "answer": {
            "source": "person" if standing.person else "gateway" if standing.last_resort else "model",
            "author": standing.author,
            "finish_reason": said.finish_reason,
            "schema_valid": standing.schema_valid,
            "repairs": standing.repairs,
            "fallback": standing.fallback,
            "confidence": _rounded(standing.confidence),
            "signals": {name: _rounded(value) for name, value in standing.signals.items()},
            "text": said.text,
            "tool_calls": said.tool_calls,
        },
        "intent_verdict": lambda: _verdict_input(intent.decided or intent.decisions[0]),
        "versions": {"config": services.config_version, "policy": services.policy.revision},
        "time": lambda: datetime.now(UTC).isoformat(),
        "trace_id": intent.trace.trace_id,
        "attempt": len(intent.attempts),
    }


def _rounded(value: Any) -> Any:
    """A fraction with four decimals: that is all there is to it, and engines agree on how to write such a number, but not on 1e-9."""
    return round(value, 4) if isinstance(value, float) else value


def _verdict_input(decision: Decision) -> Json:
    verdict = decision.verdict
    return {
        "outcome": verdict.outcome,
        "reasons": [reason._asdict() for reason in verdict.reasons],
        "obligations": {
            "reveal": {str(destination): sorted(categories) for destination, categories in verdict.obligations.reveal.items()},
            "max_tokens": verdict.obligations.max_tokens,
            "labels": dict(verdict.obligations.labels),
        },
    }
