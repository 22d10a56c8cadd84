"""How findings, decisions and attempts stand on the record and in a policy's input: plain JSON, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from gateway.capabilities.redaction.request import Inspection
from gateway.domain import Attempt, Decision, Destination, FindingCount, Json, Obligations
from gateway.pipeline.intent import Intent

_ASKED = ("messages", "tools", "params")
_SAID = ("text", "tool_calls", "finish_reason")
"""Where content can stand in a policy's input."""


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
        "obligations": _obligation_facts(verdict.obligations),
        "revision": decision.revision,
        "memoised": decision.memoised,
        "duration_ns": decision.duration_ns,
    }


def _obligation_facts(obligations: Obligations) -> Json:
    return {
        "reveal": {destination.value: sorted(categories) for destination, categories in obligations.reveal.items()},
        "allow_unscanned": obligations.allow_unscanned,
        "routes": obligations.routes,
        "max_tokens": obligations.max_tokens,
        "retention_days": obligations.retention_days,
        "labels": dict(obligations.labels),
    }


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
        request[name] = {key: shown[key] for key in request[name] if key in shown} if name == "params" else shown[name]


def message_facts(choice: Json) -> Json:
    """A choice of a transcript as the message that OpenAI's shape has."""
    calls = [{"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}} for call in choice["tool_calls"]]
    return {"role": "assistant", "content": choice["content"], "refusal": choice["refusal"], "tool_calls": calls}


def attempt_facts(attempt: Attempt) -> Json:
    """An attempt as it stands on the record."""
    return {
        "target": attempt.target,
        "model": attempt.model,
        "started_ns": attempt.started_ns,
        "ended_ns": attempt.ended_ns,
        "first_token_ns": attempt.first_token_ns,
        "status": attempt.status,
        "usage": None if attempt.usage is None else attempt.usage._asdict(),
        "cost_microusd": attempt.cost_microusd,
        "finish_reason": attempt.finish_reason,
        "error": attempt.error,
    }
