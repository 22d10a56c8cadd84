"""Hold: an intent that waits for a person is written down, with all that it takes to go on from there in any process, and let go of.

Its row, its task, what is kept of it and the entries of its record are one transaction: after a crash it is parked, or it never was.
"""

from __future__ import annotations

import asyncio
import time

import orjson

from gateway.capabilities.approvals import call_sha256, scope_sha256
from gateway.capabilities.intents import park
from gateway.capabilities.records.entries import PARKED, Entry
from gateway.capabilities.tasks.store import new_task_id
from gateway.domain import Destination, Json, State
from gateway.domain_tasks import Mode, TaskState
from gateway.errors import GatewayError, RecordUnavailable
from gateway.infrastructure.database_intents import IntentRow, JoinError, PayloadRow, TakenError
from gateway.infrastructure.database_ledger import MoveRefused
from gateway.infrastructure.database_tasks import TaskRow
from gateway.infrastructure.telemetry.logs import get_logger
from gateway.pipeline.close import end_trace, refuse
from gateway.pipeline.facts import attempt_facts, decision_facts, decision_input, failure_facts, finding_facts
from gateway.pipeline.intent import Ending, Intent, Refused
from gateway.pipeline.kept import SECOND_NS, TERMS, call_row, context_row, draft_row
from gateway.pipeline.open import opened_entry
from gateway.pipeline.parked import Draft, Held, Parked
from gateway.pipeline.patience import patiently
from gateway.pipeline.people import draft_context, task_words
from gateway.pipeline.rejoin import joined, taken, wait_s_of
from gateway.pipeline.services import Services
from gateway.pipeline.terms import terms_of
from gateway.pipeline.verify import Answer

log = get_logger()


async def hold(services: Services, intent: Intent, held: Held, answer: Answer | None = None) -> Parked | Refused:
    """Park an intent; with ``answer`` that is what people judge. Whatever its caller does meanwhile, it is parked."""
    intent.parking = True
    return await asyncio.shield(services.background.start(_hold(services, intent, held, answer)))


async def _hold(services: Services, intent: Intent, held: Held, answer: Answer | None) -> Parked | Refused:
    recorded = intent.on_record
    try:
        return await _parked(services, intent, held, answer)
    except (MoveRefused, GatewayError) as failure:
        intent.on_record = recorded  # what was to be said of the hold was left out with it
        if isinstance(failure, JoinError):
            return await joined(services, intent, failure.intent_id)
        if isinstance(failure, TakenError):
            return await taken(services, intent, failure.row)
        error = failure if isinstance(failure, GatewayError) else RecordUnavailable("the gateway lost this intent to another process; ask again")
        return await refuse(services, intent, error)


async def _parked(services: Services, intent: Intent, held: Held, answer: Answer | None) -> Parked:
    """Raises ``MoveRefused``, ``RecordUnavailable``, ``PayloadUnavailable``."""
    if intent.opened is not None:
        await asyncio.shield(intent.opened)  # what has no beginning on record is not parked
    draft = _carried(intent) if answer is None else _draft(intent, answer)
    context = await asyncio.to_thread(_context, intent, held, draft)
    now_ns = time.time_ns()
    beginning = [opened_entry(services, intent)] if intent.opened is None else []
    row = _row(intent, now_ns)
    task = _task(services, intent, held, row, draft, now_ns)
    row = row._replace(task_id=task.id)
    kept_until_ns = task.expires_ns + services.longest_wait_ns
    context[TERMS] = terms_of(row.call_sha256, task, draft)
    # The call too, each time: what was kept when the intent was first held would end before a later, longer hold does.
    payloads = [call_row(services, intent, expires_ns=kept_until_ns), context_row(services, row.tenant, row.id, context, expires_ns=kept_until_ns)]
    if draft is not None:
        payloads.append(draft_row(services, row.tenant, row.id, draft, expires_ns=kept_until_ns))
    await _move(services, intent, row, task, payloads, [*beginning, _entry(intent, held, task)])
    intent.row = row
    _tell(services, intent, task)
    return Parked(
        tenant=row.tenant,
        intent_id=row.id,
        trace_id=intent.trace.trace_id,
        route=row.route,
        model=str(intent.call.body["model"]),
        task=task_words(task),
        wait_s=wait_s_of(intent),
        embeds=intent.call.embeds,
        decision="escalate",
    )


async def _move(services: Services, intent: Intent, row: IntentRow, task: TaskRow, payloads: list[PayloadRow], entries: list[Entry]) -> None:
    queue = services.queues[task.queue]
    alone = intent.resumed is not None or intent.call.idempotency_key is not None
    effect = park(row, task=task, payloads=payloads, announce=queue.webhook is not None, join_since_ns=None if alone else row.created_ns - services.join_ns)
    moved = services.background.start(patiently(services, effect, *entries))
    begins = intent.opened is None
    intent.opened = intent.opened or moved
    try:
        await moved
    except MoveRefused:
        if begins:
            intent.opened = None  # its beginning was left out with the rest
        raise


def _row(intent: Intent, now_ns: int) -> IntentRow:
    call, before = intent.call, intent.row
    trace = intent.trace.traceparent()
    if before is not None:
        return before._replace(state=State.PARKED.value, version=before.version + 1, changed_ns=now_ns, trace=trace, holds=before.holds + 1)
    return new_row(intent, State.PARKED, call_sha256(intent.subject.id, call.surface, call.body), now_ns=now_ns, holds=1)


def new_row(intent: Intent, state: State, sha256: str, *, now_ns: int, holds: int) -> IntentRow:
    """The row of an intent that has none yet."""
    call, plan = intent.call, intent.plan
    return IntentRow(
        tenant=intent.subject.tenant,
        id=intent.id,
        subject=intent.subject.id,
        state=state.value,
        version=1,
        surface=call.surface,
        route="" if plan is None else plan.route.name,
        stream=call.stream,
        call_sha256=sha256,
        idempotency_key=call.idempotency_key,
        created_ns=now_ns,
        changed_ns=now_ns,
        trace=intent.trace.traceparent(),
        task_id=None,
        ready_ns=None,
        holds=holds,
        http_status=None,
        collected_ns=None,
        record_expires_ns=intent.expires_ns,
        expires_ns=None,
    )


def _task(services: Services, intent: Intent, held: Held, row: IntentRow, draft: Draft | None, now_ns: int) -> TaskRow:
    queue = services.queues[held.queue]
    first = intent.standings[0] if draft is not None and intent.standings else None
    return TaskRow(
        tenant=row.tenant,
        id=new_task_id(now_ns),
        intent_id=row.id,
        queue=queue.name,
        mode=held.mode.value,
        hook=held.decision.hook.value,
        state=TaskState.OPEN.value,
        version=1,
        route=row.route,
        requester=intent.subject.id,
        requester_name=intent.subject.name,
        created_ns=now_ns,
        due_ns=now_ns + round(min(queue.due_s, held.expires_in_s) * SECOND_NS),
        expires_ns=now_ns + round(held.expires_in_s * SECOND_NS),
        on_expiry=held.on_expiry,
        min_approvers=held.min_approvers,
        distinct_from=orjson.dumps(held.distinct_from).decode(),
        claimed_by=None,
        claimed_name=None,
        claimed_until_ns=None,
        reasons=orjson.dumps([reason._asdict() for reason in held.reasons]).decode(),
        signals=orjson.dumps({} if first is None else dict(first.signals)).decode(),
        confidence=intent.confidence,
        policy_revision=held.decision.revision,
        scope_sha256=scope_sha256(row.call_sha256, draft.body if draft is not None and held.mode is Mode.REVIEW else None),
        hold_sha256=held.hold_sha256,
        outcome=None,
        moved=0,
    )


def _entry(intent: Intent, held: Held, task: TaskRow) -> Entry:
    """The ``parked`` entry: who is to decide, by when and why, and what was done so far."""
    later = intent.decisions[intent.on_record :]
    facts: Json = {
        "task": task.id,
        "queue": task.queue,
        "mode": task.mode,
        "hook": task.hook,
        "due_ns": task.due_ns,
        "expires_ns": task.expires_ns,
        "on_expiry": task.on_expiry,
        "min_approvers": task.min_approvers,
        "reasons": [reason._asdict() for reason in held.reasons],
        "attempts": [attempt_facts(attempt) for attempt in intent.attempts],
        "decisions": [decision_facts(decision) for decision in later],
        "findings": finding_facts(intent.answer_findings),
        "steps": intent.steps,
        "trace_id": intent.trace.trace_id,
    }
    content = {"decision_inputs": [decision_input(intent, decision) for decision in later]}
    intent.on_record = len(intent.decisions)
    return Entry(
        tenant=task.tenant,
        intent_id=task.intent_id,
        kind=PARKED,
        at_ns=task.created_ns,
        facts=facts,
        content=orjson.dumps(content),
        expires_ns=intent.expires_ns,
    )


def _carried(intent: Intent) -> Draft | None:
    """The draft of an intent that is held once more before that is judged."""
    return None if intent.resumed is None else intent.resumed.draft


def _draft(intent: Intent, answer: Answer) -> Draft:
    """An answer with what it takes to go on from it."""
    standing, before, inspection = intent.standings[0], _carried(intent), intent.inspection
    return Draft(
        body=answer.body,
        source="person" if standing.person else "gateway" if standing.last_resort else "model",
        author=standing.author,
        name=before.name if before and standing.person else "",
        answered_by=intent.answered_by,
        standings=tuple(standing._asdict() | {"signals": dict(standing.signals)} for standing in intent.standings),
        extracted=answer.extracted,
        attempts=tuple(attempt_facts(attempt) for attempt in intent.attempts),
        repairs=tuple({"kind": one.kind, "target": one.target, "failures": failure_facts(intent, one.failures)} for one in intent.repairs),
        redactions={} if inspection is None else dict(inspection.redactions),
        notes=dict(intent.notes),
    )


def _context(intent: Intent, held: Held, draft: Draft | None) -> Json:
    """What people see of the intent, as policy reveals it to them."""
    if intent.inspection is None:
        raise ValueError("only what was inspected can be shown")
    shown = intent.inspection.assemble(held.obligations, Destination.PERSON)
    revealed = sorted(held.obligations.reveal.get(Destination.PERSON, ()))
    schema = held.obligations.require_schema or intent.obligations.require_schema
    return {"request": shown, "draft": draft_context(intent.inspection, draft, held.obligations, intent.plan), "revealed": revealed, "require_schema": schema}


def _tell(services: Services, intent: Intent, task: TaskRow) -> None:
    """Say in trace, metrics and log that somebody has something to decide. None of it says what."""
    intent.step("hold")
    services.lately.note(task.tenant, task.requester, intent.call.size)
    services.metrics.task_opened(task.queue, task.mode)
    end_trace(services, intent, Ending(state=State.PARKED, http_status=202))
    log.info("task.opened", task=task.id, intent_id=task.intent_id, tenant=task.tenant, queue=task.queue, mode=task.mode, trace_id=intent.trace.trace_id)
