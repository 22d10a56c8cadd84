"""How findings, decisions and attempts stand on the record and in a policy's input: plain JSON, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.capabilities.policy.verdict import obligation_facts
from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.routing.course import DYNAMIC_REASONS
from gateway.capabilities.schemas.model import Failure
from gateway.domain import Attempt, Decision, Destination, FindingCount, Json, Obligations, Purpose, Usage
from gateway.domain_tasks import Approval
from gateway.infrastructure.telemetry.semconv import CONFIDENCE, FALLBACK, REPAIRS, SCHEMA_VALID
from gateway.infrastructure.telemetry.spans import AttributeValue
from gateway.pipeline.intent import Intent, Repair, Standing

_ASKED = ("messages", "tools", "params")
_SAID = ("text", "tool_calls", "finish_reason")
"""Where content can stand in a policy's input."""
_KEPT = 1_024
_OBLIGATIONS: dict[int, tuple[Obligations, Json]] = {}
"""Those of remembered verdicts as they stand on the record, by identity. Nobody changes them."""


def finding_facts(findings: Iterable[FindingCount]) -> list[Json]:
    """Findings as they stand on the record and in a policy's input."""
    return [{"category": one.category, "count": one.count, "where": one.where, "origin": one.origin} for one in findings]


def request_findings(intent: Intent, inspection: Inspection) -> list[Json]:
    """The findings of the intent's request: written down once, a long conversation has many."""
    if intent.finding_facts is None:
        intent.finding_facts = finding_facts(inspection.findings)
    return intent.finding_facts


def decision_facts(decision: Decision) -> Json:
    """A decision as it stands on the record."""
    verdict = decision.verdict
    return {
        "hook": decision.hook,
        "outcome": verdict.outcome,
        "reasons": [reason._asdict() for reason in verdict.reasons],
        "obligations": _obligation_facts(verdict.obligations, keep=decision.memoised),
        "revision": decision.revision,
        "memoised": decision.memoised,
        "duration_ns": decision.duration_ns,
        "engine": decision.engine,
    }


def _obligation_facts(obligations: Obligations, *, keep: bool) -> Json:
    """Obligations as they stand on the record. Those of a verdict that is remembered are written down once, which is what ``keep`` says."""
    known = _OBLIGATIONS.get(id(obligations))
    if known is not None and known[0] is obligations:
        return known[1]
    facts = obligation_facts(obligations)
    if keep:
        if len(_OBLIGATIONS) >= _KEPT:
            _OBLIGATIONS.clear()
        _OBLIGATIONS[id(obligations)] = (obligations, facts)
    return facts


def decision_input(intent: Intent, decision: Decision) -> Any:
    """The input that was evaluated, redacted for the record, so that the decision can be replayed.

    The gateway itself made all of it but the parts that hold content, so only these are looked at, and only if the policy asked for them.
    Of the request it has what the record has, so that no media that nobody could scan are kept.
    """
    inspection = intent.inspection
    if inspection is None or not (inspection.findings or inspection.unscanned or intent.answer_findings):
        return orjson.Fragment(decision.input)
    value: Json = orjson.loads(decision.input)
    request, answer = value.get("request") or {}, value.get("answer") or {}
    if any(map(request.get, _ASKED)):
        _show_request(request, inspection.assemble(intent.obligations, Destination.RECORD))
    for name in filter(answer.get, _SAID):
        answer[name] = inspection.redact(answer[name], intent.obligations, Destination.RECORD)
    return value


def _show_request(request: Json, shown: Json) -> None:
    for name in filter(request.get, _ASKED):
        if name == "params":
            request[name] = {key: shown[key] for key in request[name] if key in shown}
        elif name in shown:
            request[name] = shown[name]
        else:  # what is to be embedded, which policy sees as messages; tokens have no content there
            texts = shown["input"] if isinstance(shown["input"], list) else [shown["input"]]
            request[name] = [message | {"content": message["content"] and text} for message, text in zip(request[name], texts, strict=True)]


def message_facts(choice: Json) -> Json:
    """A choice of a transcript as the message that OpenAI's shape has."""
    calls = [{"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}} for call in choice["tool_calls"]]
    return {"role": "assistant", "content": choice["content"], "refusal": choice["refusal"], "tool_calls": calls}


def attempt_facts(attempt: Attempt) -> Json:
    """An attempt as it stands on the record."""
    return {
        "target": attempt.target,
        "model": attempt.model,
        "purpose": attempt.purpose,
        "started_ns": attempt.started_ns,
        "ended_ns": attempt.ended_ns,
        "first_token_ns": attempt.first_token_ns,
        "status": attempt.status,
        "usage": None if attempt.usage is None else attempt.usage._asdict(),
        "cost_microusd": attempt.cost_microusd,
        "finish_reason": attempt.finish_reason,
        "error": attempt.error,
    }


def attempt_of(facts: Mapping[str, Any]) -> Attempt:
    """The attempt that stands on the record like this."""
    usage = facts["usage"]
    return Attempt(**{**facts, "purpose": Purpose(facts["purpose"]), "usage": None if usage is None else Usage(**usage)})


def repair_of(facts: Mapping[str, Any]) -> Repair:
    """The repair that stands on the record like this."""
    return Repair(facts["kind"], facts["target"], tuple(Failure(one["where"], one["keyword"]) for one in facts["failures"]))


def approval_facts(approval: Approval) -> Json:
    """An approval as it stands on the record: who gave it, by name."""
    return {"id": approval.id, "by": approval.by, "name": approval.name, "roles": approval.roles, "mode": approval.mode, "action": approval.action}


def course_facts(intent: Intent) -> Json:
    """How the answer was come by, as it stands on the record: what was passed over, what broke its schema and was mended, how far the answer is trusted."""
    facts = _routing_facts(intent)
    if intent.repairs:
        facts["repairs"] = [{"kind": kind, "target": target, "failures": failure_facts(intent, failures)} for kind, target, failures in intent.repairs]
    plan, standings = intent.plan, intent.standings
    if plan is not None and plan.schemas:
        digests = [schema.digest for schema in plan.schemas]
        facts["schema"] = {"digests": digests, "valid": intent.schema_valid, "failures": failure_facts(intent, intent.schema_failures)}
    if plan is not None and plan.route.assessment is not None:
        facts["confidence"] = [{"score": standing.confidence, "signals": dict(standing.signals)} for standing in standings]
    if standings and standings[0].last_resort:
        facts["last_resort"] = True
    return facts


def _routing_facts(intent: Intent) -> Json:
    """The order of targets where there was a choice, and who was passed over on the way."""
    facts: Json = {}
    order = intent.order
    if len(order) > 1 or (order and order[0].skipped):
        facts["routing"] = [{"target": one.target.name, "tier": one.tier, "skipped": one.skipped} for one in order]
    passed_over = () if intent.course is None else intent.course.skipped
    if passed_over:
        facts["passed_over"] = [{"target": target, "reason": reason} for target, reason in passed_over if reason in DYNAMIC_REASONS]
    return facts


def failure_facts(intent: Intent, failures: Iterable[Failure]) -> list[Json]:
    """Places and keywords of a schema: its keys are the caller's, and can be anything."""
    found = [{"where": failure.where, "keyword": failure.keyword} for failure in failures]
    if not found or intent.inspection is None:
        return found
    shown: list[Json] = intent.inspection.redact(found, intent.obligations, Destination.RECORD)
    return shown


def standing_attributes(standings: Iterable[Standing]) -> dict[str, AttributeValue]:
    """The attributes of the step that assessed an answer."""
    first = next(iter(standings))
    return {SCHEMA_VALID: first.schema_valid, REPAIRS: first.repairs, FALLBACK: first.fallback, CONFIDENCE: first.confidence}
