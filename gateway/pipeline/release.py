"""Release: a complete answer is screened, shown to the caller as far as policy reveals it, and recorded before it leaves."""

from __future__ import annotations

from typing import Any

from gateway.capabilities.redaction.answer import AnswerInspection
from gateway.capabilities.redaction.transcript import choices
from gateway.domain import Json, Obligations, State
from gateway.infrastructure.telemetry.semconv import RESPONSE_ID
from gateway.pipeline.close import close, denied, refuse
from gateway.pipeline.intent import Allowed, Denied, Ending, Intent, Refused, Released, Screened
from gateway.pipeline.screen import screen
from gateway.pipeline.services import Services


async def judge(services: Services, intent: Intent, allowed: Allowed, answer: Json) -> tuple[Screened | Denied, AnswerInspection]:
    """Inspect a complete answer and ask the answer policy about it."""
    inspection = allowed.inspection.inspect_answer(answer)
    first: Json = next(iter(answer["choices"]), {})
    content = {"text": lambda: inspection.text, "tool_calls": lambda: (first.get("message") or {}).get("tool_calls") or []}
    return await screen(services, intent, allowed.plan, inspection.findings, content, first.get("finish_reason")), inspection


async def release(services: Services, intent: Intent, allowed: Allowed, answer: Json) -> Released | Refused:
    """The outcome of an intent whose answer came whole."""
    verdict, inspection = await judge(services, intent, allowed, answer)
    if isinstance(verdict, Denied):
        return await refuse(services, intent, denied(verdict))
    body, recorded = inspection.for_caller(verdict.obligations), inspection.for_record(verdict.obligations)
    note_response(intent, recorded.get("id"))
    ending = Ending(
        state=State.COMPLETED,
        answer=choices(recorded),
        released=choices(body),
        redactions=inspection.redactions,
    )
    await close(services, intent, ending)
    note_logprobs(intent, inspection.logprobs_dropped)
    return Released(intent=intent, body={**body, "gateway": gateway_object(intent, verdict.obligations, inspection.redactions)})


def note_response(intent: Intent, response_id: object) -> None:
    """Put the id that the target gave its answer, as the record may have it, on the attempt's span."""
    if intent.chat_attributes is not None and isinstance(response_id, str):
        intent.chat_attributes[RESPONSE_ID] = response_id


def note_logprobs(intent: Intent, dropped: bool) -> None:
    """Tell the caller that log probabilities were dropped because they would spell what was redacted."""
    if dropped:
        intent.notes["logprobs_dropped"] = True


def gateway_object(intent: Intent, obligations: Obligations, redactions: dict[str, int]) -> dict[str, Any]:
    """What the gateway adds to an answer: where it came from, what it cost, what was hidden from whom."""
    last = intent.attempts[-1]
    inspection = intent.inspection
    return {
        "record": intent.id,
        "trace": intent.trace.trace_id,
        "route": None if intent.plan is None else intent.plan.route.name,
        "target": last.target,
        "attempts": len(intent.attempts),
        "cost_microusd": last.cost_microusd,
        "usage_estimated": last.usage.estimated if last.usage else None,
        "redactions": {"model": inspection.redactions if inspection else {}, "caller": redactions},
        "labels": {**intent.obligations.labels, **obligations.labels},
        **intent.notes,
    }
