"""Release: a complete answer is screened, shown to the caller as far as policy reveals it, and recorded before it leaves."""

from __future__ import annotations

from typing import Any

from gateway.capabilities.redaction.transcript import choices
from gateway.domain import Json, Obligations, State
from gateway.errors import AnswerInvalid
from gateway.infrastructure.telemetry.semconv import RESPONSE_ID
from gateway.pipeline.assess import assess
from gateway.pipeline.close import close, denied, refuse
from gateway.pipeline.facts import standing_attributes
from gateway.pipeline.hold import hold
from gateway.pipeline.intent import Allowed, Denied, Ending, Intent, Refused, Released, Screened, Standing
from gateway.pipeline.parked import Held, Parked
from gateway.pipeline.screen import Said, screen
from gateway.pipeline.services import Services
from gateway.pipeline.verify import Answer

_NOT_TEXT = frozenset({"role", "type", "id", "data", "tool_calls", "function_call"})
"""What a message has besides texts: words of the protocol, media, and calls, which the policy sees as such."""


async def judge(services: Services, intent: Intent, allowed: Allowed, answer: Answer) -> Screened | Held | Denied:
    """Assess a complete answer, unless a person has judged it, and ask the answer policy about each of its choices.

    Raises:
        AnswerInvalid: It breaks its schema, and policy does not say in so many words that such an answer may leave.
    """
    standings = assess(services, intent, allowed, answer) if intent.resumed is None or intent.resumed.draft is None else intent.standings
    if allowed.plan.schemas or allowed.plan.route.assessment is not None:
        intent.step("assess", standing_attributes(standings))
    asked = [said(choice, standing) for choice, standing in zip(answer.body["choices"], standings, strict=True)]
    verdict = await screen(services, intent, allowed.plan, answer.inspection.findings, asked)
    if answer.broken and isinstance(verdict, Screened) and not verdict.obligations.allow_invalid:
        raise AnswerInvalid("the answer does not meet its schema, and could not be repaired; ask in another way, or for a simpler answer")
    return verdict


def said(choice: Json, standing: Standing) -> Said:
    """A choice of a complete answer as the policy sees it."""
    message: Json = choice["message"]
    return Said(lambda: text_of(message), lambda: _tool_calls(message), choice.get("finish_reason"), standing)


def text_of(message: Json) -> str:
    """All that a caller can read in a message, placeholders and all: its content, then whatever else it says (a refusal, reasoning, a transcript), by lines."""
    found: list[str] = []
    stack: list[Any] = [{name: value for name, value in message.items() if name not in _NOT_TEXT and name != "content"}, message.get("content")]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            found.append(node)
        elif isinstance(node, dict):
            stack.extend(value for name, value in reversed(node.items()) if name not in _NOT_TEXT)
        elif isinstance(node, list):
            stack.extend(reversed(node))
    return "\n".join(filter(None, found))


def _tool_calls(message: Json) -> list[Any]:
    legacy = message.get("function_call")
    return [*(message.get("tool_calls") or ()), *([{"id": None, "type": "function", "function": legacy}] if legacy else [])]


async def release(services: Services, intent: Intent, allowed: Allowed, answer: Answer) -> Released | Refused | Parked:
    """The outcome of an intent whose answer came whole."""
    verdict, inspection = await judge(services, intent, allowed, answer), answer.inspection
    if isinstance(verdict, Denied):
        return await refuse(services, intent, denied(verdict))
    if isinstance(verdict, Held):
        return await hold(services, intent, verdict, answer)
    body, recorded = inspection.for_caller(verdict.obligations), inspection.for_record(verdict.obligations)
    note_response(intent, recorded.get("id"))
    note_logprobs(intent, inspection.logprobs_dropped)
    whole = {**body, "gateway": gateway_object(intent, verdict.obligations, inspection.redactions)}
    ending = Ending(
        state=State.COMPLETED,
        answer=choices(recorded),
        released=choices(body),
        redactions=inspection.redactions,
        body=whole,
    )
    await close(services, intent, ending)
    return Released(intent=intent, body=whole)


def note_response(intent: Intent, response_id: object) -> None:
    """Put the id that the target gave its answer, as the record may have it, on the attempt's span."""
    if intent.chat_attributes is not None and isinstance(response_id, str):
        intent.chat_attributes[RESPONSE_ID] = response_id


def note_logprobs(intent: Intent, dropped: bool) -> None:
    """Tell the caller that log probabilities were dropped because they would spell what was redacted."""
    if dropped:
        intent.notes["logprobs_dropped"] = True


def gateway_object(intent: Intent, obligations: Obligations, redactions: dict[str, int]) -> dict[str, Any]:
    """What the gateway adds to an answer: where it came from, what it cost, how it stands, what was hidden from whom."""
    inspection, standings = intent.inspection, intent.standings
    return {
        "record": intent.id,
        "trace": intent.trace.trace_id,
        "route": None if intent.plan is None else intent.plan.route.name,
        "target": intent.target,
        "attempts": len(intent.attempts),
        "fallback": intent.fallback,
        "last_resort": bool(standings) and standings[0].last_resort,
        "cost_microusd": intent.cost_microusd,
        "usage_estimated": any(attempt.usage.estimated for attempt in intent.attempts if attempt.usage is not None),
        "schema_valid": intent.schema_valid,
        "repairs": [repair.kind for repair in intent.repairs],
        "confidence": intent.confidence,
        "signals": dict(standings[0].signals) if standings else {},
        "redactions": {"model": inspection.redactions if inspection else {}, "caller": redactions},
        "labels": {**intent.obligations.labels, **obligations.labels},
        **intent.notes,
    }
