"""Close: the last entry of the intent's record, durable before anything final leaves, then the end of its trace."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from gateway.capabilities.records.entries import Entry
from gateway.domain import Destination, Json, State
from gateway.errors import GatewayError, InternalError, InvalidRequest, NotFound, PolicyDenied, RecordUnavailable, ShuttingDown
from gateway.infrastructure.database_ledger import MoveRefused
from gateway.infrastructure.telemetry.content import content_attributes
from gateway.infrastructure.telemetry.logs import RateLimitedLog, get_logger
from gateway.infrastructure.telemetry.semconv import IntentFacts, root_attributes, root_name
from gateway.pipeline.facts import approval_facts, attempt_facts, course_facts, decision_facts, decision_input, finding_facts, message_facts
from gateway.pipeline.intent import Denied, Ending, Intent, Refused
from gateway.pipeline.kept import finished
from gateway.pipeline.open import open_record
from gateway.pipeline.parked import Held
from gateway.pipeline.patience import patiently
from gateway.pipeline.services import Services
from gateway.pipeline.shadow import shadow_facts

log = get_logger()
unavailable = RateLimitedLog("record.unavailable")


def cut_off(services: Services, **seen: Any) -> Ending:
    """The ending of an intent that was cancelled: its caller went away, or the gateway had to stop before the answer was complete.

    The status is nginx's for a client that closed its connection: nobody receives it.
    """
    if services.limits.draining:
        error = ShuttingDown("the gateway had to stop before the answer was complete; send the call again")
        return Ending(state=State.CANCELLED, reason="gateway.shutdown", http_status=error.http_status, error=error, **seen)
    return Ending(state=State.CANCELLED, reason="caller.gone", http_status=499, **seen)


async def close(services: Services, intent: Intent, ending: Ending) -> None:
    """Append the ``closed`` entry, wait until it is durable, and end the trace.

    A caller that goes away meanwhile does not change how the intent ended: whoever closes it again only waits.

    Raises:
        RecordUnavailable: The database does not take the record: then no answer may leave.
    """
    try:
        await _durable(services, intent, ending)
    except asyncio.CancelledError:
        # The entry is on its way; whoever was to get the answer is gone, and does not wait for it.
        end_trace(services, intent, intent.ending or ending)
        raise
    except RecordUnavailable as error:
        unavailable.warning(str(error.__cause__ or error.record_reason))
        end_trace(services, intent, Ending(state=State.FAILED, reason=error.record_reason, http_status=error.http_status))
        raise
    intent.step("close")
    end_trace(services, intent, intent.ending or ending)


async def _durable(services: Services, intent: Intent, ending: Ending) -> None:
    """Write the ``closed`` entry, once; both entries are durable when this returns."""
    if intent.opened is None:
        open_record(services, intent, lazy=True)
    elif intent.closed is None and intent.opened.done():
        intent.opened.result()  # what has no beginning on record gets no end there
    if intent.closed is None:
        intent.closed, intent.ending = _append(services, intent, ending), ending
    try:
        await asyncio.shield(intent.closed)
    except MoveRefused as refused:  # somebody else has ended it, who took this process for dead
        raise RecordUnavailable("the gateway lost this intent to another process; its record says how it stands") from refused
    if intent.opened is not None:
        # Entries of one intent are committed in order: with this one durable, the first one has succeeded or failed.
        await asyncio.shield(intent.opened)
    if intent.row is not None:
        services.waiting.notify(intent.subject.tenant, intent.id)


def _append(services: Services, intent: Intent, ending: Ending) -> asyncio.Future[None]:
    entry = Entry(
        tenant=intent.subject.tenant,
        intent_id=intent.id,
        kind="closed",
        at_ns=time.time_ns(),
        facts=_facts(intent, ending),
        content=orjson.dumps(_content(intent, ending)),
        digests={} if ending.released is None else {"released": orjson.dumps(ending.released)},
        expires_ns=intent.expires_ns,
    )
    if intent.row is None:
        return services.records.append(entry)
    return services.background.start(patiently(services, finished(services, intent, ending), entry))


def _capture_content(intent: Intent, ending: Ending) -> None:
    """Put content on the attempt's span, redacted as for the record."""
    if intent.inspection is None or intent.chat_attributes is None or intent.call.embeds:
        return
    request = intent.inspection.assemble(intent.obligations, Destination.RECORD)
    choices = [{"message": message_facts(choice), "finish_reason": choice["finish_reason"]} for choice in ending.answer or ()]
    intent.chat_attributes.update(content_attributes(request["messages"], choices))


def end_trace(services: Services, intent: Intent, ending: Ending) -> None:
    """Close the root span of the intent, or of its part until it was parked, and count it."""
    if intent.ended:
        return
    intent.ended = True
    error = None if ending.state in {State.COMPLETED, State.PARKED} else ending.reason or ending.state
    if intent.course is not None:
        intent.course.close()
    if services.capture_content:
        _capture_content(intent, ending)
    now, plan = time.time_ns(), intent.plan
    route = "" if plan is None else plan.route.name
    facts = IntentFacts(
        intent_id=intent.id,
        tenant=intent.subject.tenant,
        subject=intent.subject.id,
        route=route,
        surface=intent.call.surface,
        state=ending.state,
        stream_mode=None if plan is None else plan.stream_mode,
        status=ending.http_status,
        target=intent.target,
        cost_microusd=intent.cost_microusd,
        attempts=len(intent.attempts),
        fallback=intent.fallback,
        confidence=intent.confidence,
        schema_valid=intent.schema_valid,
        repairs=len(intent.repairs),
        policy_revision=intent.decisions[0].revision if intent.decisions else None,
        config_revision=services.config_version,
        **_holding(intent),
    )
    services.tracer.finish(intent.trace, root_name(intent.call.surface), intent.call.received_ns, now, root_attributes(facts), error)
    _count(services, intent, route)
    services.metrics.intent_finished(route, ending.state, stream=intent.call.stream, duration_ns=now - intent.call.received_ns)
    if error is not None:
        log.info("intent.closed", intent_id=intent.id, trace_id=intent.trace.trace_id, tenant=intent.subject.tenant, state=ending.state, reason=error)


def _holding(intent: Intent) -> dict[str, Any]:
    return {} if intent.row is None or not intent.row.holds else {"task": intent.row.task_id, "holds": intent.row.holds}


def _count(services: Services, intent: Intent, route: str) -> None:
    """Count what was out of the ordinary on the way to the answer; that of a draft was counted when it was held."""
    if intent.resumed is not None and intent.resumed.draft is not None:
        return
    for target, reason in () if intent.course is None else intent.course.skipped:
        services.metrics.attempt_skipped(target, reason)
    if intent.fallback:
        services.metrics.fallback(route)
    for at, repair in enumerate(intent.repairs, start=1):
        mended = at == len(intent.repairs) and not intent.schema_failures
        services.metrics.repair(route, "extracted" if repair.kind == "extracted" else "repaired" if mended else "invalid")


def _facts(intent: Intent, ending: Ending) -> Json:
    facts: Json = {
        "state": ending.state,
        "reason": ending.reason,
        "http_status": ending.http_status,
        "attempts": [attempt_facts(attempt) for attempt in intent.attempts],
        **course_facts(intent),
        "findings": finding_facts(intent.answer_findings),
        "redactions": ending.redactions or {},
        "steps": intent.steps,
    }
    later = intent.decisions[intent.on_record :]
    if later:
        facts["decision"] = decision_facts(later[-1])
    if len(later) > 1 or intent.resumed is not None:  # one for each choice of an answer, and those made since it was parked; the last of them above
        facts["decisions"] = [decision_facts(decision) for decision in later]
    facts.update(ending.more)
    if intent.approvals:
        facts["approvals"] = [approval_facts(approval) for approval in intent.approvals]
    if intent.shadowed and (differing := shadow_facts(intent)):
        facts["shadow"] = differing
    return facts


def _content(intent: Intent, ending: Ending) -> Json:
    if intent.bare:
        return {}
    content: Json = {} if ending.answer is None else {"answer": ending.answer}
    later = intent.decisions[intent.on_record :]
    if later:
        content["decision_input"] = decision_input(intent, later[-1])
    if len(later) > 1 or intent.resumed is not None:
        content["decision_inputs"] = [decision_input(intent, decision) for decision in later]
    return content


async def refuse(services: Services, intent: Intent, error: GatewayError, **seen: Any) -> Refused:
    """End an intent without an answer; the record says why before the caller learns it. ``seen`` is what the caller has of a broken stream."""
    ending = Ending(state=_state(error), reason=error.record_reason, http_status=error.http_status, error=error, **seen)
    if isinstance(error, RecordUnavailable):
        end_trace(services, intent, ending)
        return Refused(intent=intent, error=error)
    try:
        await close(services, intent, ending)
    except RecordUnavailable as unavailable:
        return Refused(intent=intent, error=unavailable)
    return Refused(intent=intent, error=error)


def _state(error: GatewayError) -> State:
    return State.REFUSED if isinstance(error, (PolicyDenied, InvalidRequest, NotFound)) else State.FAILED


def denied(verdict: Denied | Held) -> PolicyDenied:
    """The error that tells a caller which rules refused."""
    return PolicyDenied(verdict.reasons)


def crashed(intent: Intent, error: Exception) -> InternalError:
    """A defect of the gateway: logged without the exception's own words, which may quote content."""
    intent.bare = True
    intent.broke(InternalError.code)
    log.error("intent.crashed", intent_id=intent.id, trace_id=intent.trace.trace_id, exc_info=error)
    return InternalError(f"the gateway failed on this intent; its operator finds it by {intent.id}")
