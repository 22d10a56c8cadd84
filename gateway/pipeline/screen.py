"""Screen: ask the answer policy, then show the caller what it may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.domain import Decision, FindingCount, Hook, Json, Reason
from gateway.infrastructure.telemetry.semconv import decision_attributes
from gateway.pipeline.decide import subject_input, without_values
from gateway.pipeline.facts import finding_facts
from gateway.pipeline.intent import Denied, Intent, Plan, Screened
from gateway.pipeline.services import Services

_OF_INTENTS = ("max_tokens", "routes", "retention_days")
"""Obligations that come too late with an answer: what cannot be met is refused, not overlooked."""


async def screen(
    services: Services, intent: Intent, plan: Plan, findings: Sequence[FindingCount], content: Mapping[str, Callable[[], Any]], finish_reason: str | None
) -> Screened | Denied:
    """The verdict on the answer. ``content`` gives ``text`` and ``tool_calls`` to a policy that refers to them."""
    intent.answer_findings = tuple(findings)
    decision = without_values(services, intent, await services.policy.decide(Hook.ANSWER, _answer_input(services, intent, plan, content, finish_reason)))
    intent.decisions.append(decision)
    services.metrics.decision(decision)
    for finding in findings:
        services.metrics.findings(finding.category, finding.count)
    intent.step("screen", decision_attributes(decision))
    if decision.verdict.outcome != "allow":
        return Denied(decision=decision, reasons=decision.verdict.reasons)
    obligations = decision.verdict.obligations
    unmet = next((name for name in _OF_INTENTS if getattr(obligations, name) is not None), None)
    if unmet is not None:
        return Denied(
            decision=decision, reasons=(Reason("policy.unsupported", f"policy demands {unmet} of an answer, which can only be demanded of an intent"),)
        )
    return Screened(decision=decision, obligations=obligations)


def _answer_input(services: Services, intent: Intent, plan: Plan, content: Mapping[str, Callable[[], Any]], finish_reason: str | None) -> Mapping[str, Any]:
    """The parts of ``gateway.input/v1`` that the answer hook knows."""
    return {
        "subject": subject_input(services, intent.subject),
        "intent": {"id": intent.id, "parent_id": None, "root_id": intent.id, "depth": 0, "surface": intent.call.surface, "name": None, "labels": {}},
        "request": {"route": plan.route.name, "stream": intent.call.stream},
        "findings": finding_facts(intent.answer_findings),
        "answer": {
            "source": "model",
            "author": plan.route.target.model,
            "finish_reason": finish_reason,
            "schema_valid": None,
            "repairs": 0,
            "fallback": False,
            "confidence": None,
            "signals": {},
            **content,
        },
        "intent_verdict": lambda: _verdict_input(intent.decisions[0]),
        "versions": {"config": services.config_version},
        "trace_id": intent.trace.trace_id,
        "attempt": len(intent.attempts),
    }


def _verdict_input(decision: Decision) -> Json:
    verdict = decision.verdict
    return {
        "outcome": verdict.outcome,
        "reasons": [reason._asdict() for reason in verdict.reasons],
        "obligations": {
            "reveal": {destination: sorted(categories) for destination, categories in verdict.obligations.reveal.items()},
            "max_tokens": verdict.obligations.max_tokens,
            "labels": dict(verdict.obligations.labels),
        },
    }
