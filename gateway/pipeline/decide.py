"""Decide: ask the intent policy. Whatever it does not clearly allow is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.capabilities.approvals import approval_input
from gateway.capabilities.costs import estimate_tokens
from gateway.capabilities.redaction.request import Inspection
from gateway.domain import Decision, Destination, Hook, Obligations, Reason, Subject
from gateway.pipeline.escalate import escalated, with_approvals
from gateway.pipeline.facts import request_findings
from gateway.pipeline.intent import Allowed, Denied, Intent, Plan
from gateway.pipeline.parked import Held
from gateway.pipeline.resolve import with_mode
from gateway.pipeline.services import Services
from gateway.pipeline.shadow import asked

_SPOKEN = 4_096
"""Verdicts whose words are remembered as clean: as many as a policy that is worth a memo gives."""
_CONTENT = frozenset({"messages", "tools", "model", "stream", "input"})


async def decide(services: Services, intent: Intent, plan: Plan, inspection: Inspection) -> Allowed | Held | Denied:
    """The verdict on the intent, with what this build must enforce itself checked: unscanned content, the granted routes, and a queue to escalate to."""

    async def ask() -> Decision:
        decision = without_values(services, intent, await asked(services, intent, Hook.INTENT, intent_input(services, intent, plan, inspection)))
        intent.decisions.append(decision)
        services.metrics.decision(decision)
        return decision

    decision = intent.decided = await with_approvals(services, intent, Hook.INTENT, ask) if intent.approvals else await ask()
    if decision.verdict.outcome == "escalate":
        return escalated(services, intent, decision)
    if decision.verdict.outcome != "allow":
        return Denied(decision=decision, reasons=decision.verdict.reasons)
    unmet = _unmet(services, intent, plan, inspection, decision.verdict.obligations)
    if unmet is not None:
        return Denied(decision=decision, reasons=(unmet,))
    obligations = decision.verdict.obligations
    if obligations.require_schema is not None:
        schemas = (*plan.schemas, services.named_schemas[obligations.require_schema])
        plan = with_mode(services, intent, replace(plan, schemas=schemas))
    return Allowed(plan=plan, inspection=inspection, decision=decision, obligations=obligations)


def _unmet(services: Services, intent: Intent, plan: Plan, inspection: Inspection, obligations: Obligations) -> Reason | None:
    """What of the obligations cannot be met: that is refused, not overlooked."""
    if inspection.unscanned and not obligations.allow_unscanned:
        where = inspection.unscanned[0].where
        return Reason("policy.unscanned", f"{where} holds content that could not be scanned and policy does not allow that")
    if obligations.routes is not None and not any(granted.partition("/")[0] == plan.route.name for granted in obligations.routes):
        return Reason("policy.route", "policy does not grant this route to the intent")
    if obligations.allow_invalid:
        return Reason("policy.unsupported", "policy grants allow_invalid to an intent, which can only be granted to an answer")
    if obligations.require_schema is None:
        return None
    if intent.call.embeds:
        return Reason("policy.unsupported", "policy demands a schema of embeddings, which are numbers")
    if obligations.require_schema not in services.named_schemas:
        return Reason("policy.schema", "policy demands a schema that the config does not have")
    return None


def without_values(services: Services, intent: Intent, decision: Decision) -> Decision:
    """The decision with no sensitive value in its reasons and labels: a policy may compute them from content, and they go to the record and to traces."""
    verdict, inspection, known = decision.verdict, intent.inspection, (intent.subject.tenant, id(decision.verdict))
    if inspection is None or not (verdict.reasons or verdict.obligations.labels) or services.spoken.get(known) is verdict:
        return decision
    said = [[reason.rule, reason.message] for reason in verdict.reasons]
    labels = dict(verdict.obligations.labels)
    nothing = Obligations()
    shown_said = inspection.redact(said, nothing, Destination.RECORD)
    shown_labels = inspection.redact(labels, nothing, Destination.RECORD)
    if shown_said == said and shown_labels == labels:
        if decision.memoised:
            if len(services.spoken) >= _SPOKEN:
                services.spoken.clear()
            services.spoken[known] = verdict
        return decision
    reasons = tuple(Reason(rule, message) for rule, message in shown_said)
    return replace(decision, verdict=replace(verdict, reasons=reasons, obligations=replace(verdict.obligations, labels=shown_labels)))


def intent_input(services: Services, intent: Intent, plan: Plan, inspection: Inspection) -> Mapping[str, Any]:
    """The parts of ``gateway.input/v1`` that the intent hook knows. What is expensive is a callable: it runs only if the policy refers to it."""
    body = intent.call.body
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
        "request": {
            "route": plan.route.name,
            "stream": intent.call.stream,
            "params": lambda: {name: value for name, value in body.items() if name not in _CONTENT},
            "messages": body["messages"] if "messages" in body else _spoken(body.get("input")),
            "tools": body.get("tools") or [],
            "tokens_estimate": lambda: estimate_tokens(body),
            "cost_estimate_microusd": lambda: services.models[plan.route.first.name].costs.estimate(estimate_tokens(body)),
            "unscanned": [{"where": item.where, "kind": item.kind} for item in inspection.unscanned],
        },
        "findings": request_findings(intent, inspection),
        "approvals": [approval_input(approval) for approval in intent.approvals],
        "versions": {"config": services.config_version, "policy": services.policy.revision},
        "time": lambda: datetime.now(UTC).isoformat(),
        "trace_id": intent.trace.trace_id,
        "attempt": 0,
    }


def _spoken(said: Any) -> list[Any]:
    """What is to be embedded as messages, so that policies about content hold for it; token arrays have no content."""
    items = said if isinstance(said, list) else [said]
    if items and isinstance(items[0], int):
        items = [items]
    return [{"role": "user", "content": item if isinstance(item, str) else None} for item in items]


def subject_input(services: Services, subject: Subject) -> Mapping[str, object]:
    """The subject as policy sees it."""
    known = services.subjects.get(subject)
    if known is None:
        known = {
            "id": subject.id,
            "kind": subject.kind,
            "tenant": subject.tenant,
            "teams": subject.teams,
            "roles": subject.roles,
            "on_behalf_of": None,
        }
        services.subjects[subject] = known
    return known
