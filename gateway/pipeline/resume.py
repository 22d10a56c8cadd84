"""Resume: a parked intent goes on, in whatever process comes first, once what it waited for is there.

It takes the path again from ``resolve`` on, with the key, the routes and the policy of now and with people's approvals in view; a draft that was judged takes
the place of the model. Of several processes that want to go on with it, one moves it from parked to running.
"""

from __future__ import annotations

import asyncio
import time

from gateway.capabilities.approvals import REVOKED, Scope, call_sha256, scope_sha256, standing
from gateway.capabilities.intents import Loaded, postpone
from gateway.capabilities.intents import resume as resuming
from gateway.capabilities.records.entries import RESUMED, Entry
from gateway.domain import Hook, Reason, State, Subject
from gateway.domain_tasks import EXPIRY, Approval, Mode, TaskState
from gateway.errors import GatewayError, PayloadUnavailable, PolicyDenied
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_ledger import MoveRefused
from gateway.infrastructure.database_tasks import TaskRow
from gateway.infrastructure.telemetry.logs import RateLimitedLog, get_logger
from gateway.pipeline.admit import admit, leave
from gateway.pipeline.intent import Call, Intent
from gateway.pipeline.kept import SECOND_NS, call_of, draft_of
from gateway.pipeline.open import opened_already
from gateway.pipeline.parked import Draft, Resumption
from gateway.pipeline.run import take_path
from gateway.pipeline.services import Services
from gateway.pipeline.settle import Settlement, end_parked
from gateway.pipeline.terms import is_as_asked

RETRY_S = 15
"""How long an intent whose payloads cannot be read waits before they are tried again."""
CALL_GONE = Reason("payload.expired", "what was kept of the call is not there any more")
_NO_KEY = Reason("key.revoked", "the key that made the call is revoked or expired")
KEY_REVOKED = Settlement(State.REFUSED, PolicyDenied((_NO_KEY,)), TaskState.CANCELLED, "cancel", "gateway")
"""How a parked intent ends whose caller may call no more."""
_REVIEWER = "reviewer"
log = get_logger()
unreadable = RateLimitedLog("payload.unavailable")


async def resume(services: Services, tenant: str, intent_id: str) -> bool:
    """Go on with a parked intent that is ready. Does nothing where it is not. ``False`` where it cannot be done now, or where another process is first."""
    try:
        loaded = await asyncio.to_thread(services.intents.load, tenant, intent_id)
        if loaded is not None and loaded.row.state == State.PARKED and loaded.row.ready_ns is not None:
            await _resume_or_postpone(services, loaded)
    except (DatabaseError, MoveRefused, GatewayError) as error:
        log.debug("resume.failed", intent_id=intent_id, error=type(error).__name__)  # it is still ready: the sweeper comes again
        return False
    return True


async def _resume_or_postpone(services: Services, loaded: Loaded) -> None:
    row, now_ns = loaded.row, time.time_ns()
    try:
        await _resume(services, loaded, now_ns)
    except PayloadUnavailable as error:
        unreadable.warning(error.message)
        await services.records.move(postpone(row.tenant, row.id, ready_ns=now_ns + RETRY_S * SECOND_NS))


async def _resume(services: Services, loaded: Loaded, now_ns: int) -> None:
    row = loaded.row
    call, draft = call_of(services, loaded, now_ns=now_ns), draft_of(services, loaded)
    if not is_as_asked(services, loaded, loaded.task, draft):
        log.warning("task.changed", task=row.task_id, intent_id=row.id, tenant=row.tenant)
        loaded = loaded._replace(approvals=())  # nobody has approved what it is now: policy is asked as if nobody had
    subject = services.keys.holder(row.tenant, row.subject)
    if call is None:
        await _end(services, loaded, CALL_GONE, State.FAILED)
    elif subject is None or row.tenant not in services.redactors:
        await end_parked(services, loaded, KEY_REVOKED)
    else:
        await _go_on(services, loaded, subject, call, draft)


async def _end(services: Services, loaded: Loaded, reason: Reason, state: State) -> None:
    await end_parked(services, loaded, Settlement(state, PolicyDenied((reason,)), TaskState.CANCELLED, "cancel", "gateway"))


async def _go_on(services: Services, loaded: Loaded, subject: Subject, call: Call, draft: Draft | None) -> None:
    row, task = loaded.row, loaded.task
    if task is None:
        return
    approvals = _enough(task, standing_approvals(services, loaded, call, draft))
    admit(services)
    trace = services.tracer.resume(row.trace)
    unused = [approval.id for approval in loaded.approvals if approval.used_ns is None and any(one.id == approval.id for one in approvals)]
    try:
        await services.records.move(
            resuming(row.tenant, row.id, version=row.version, now_ns=call.received_ns, trace=trace.traceparent(), approvals=unused),
            Entry(
                tenant=row.tenant,
                intent_id=row.id,
                kind=RESUMED,
                at_ns=call.received_ns,
                facts={
                    "task": task.id,
                    "approvals": [one.id for one in approvals],
                    "why": "expired" if task.state == TaskState.EXPIRED else "decided",
                    "trace_id": trace.trace_id,
                },
                expires_ns=row.record_expires_ns,
            ),
        )
    except (MoveRefused, GatewayError, asyncio.CancelledError):
        leave(services)
        services.metrics.intent_left()
        raise
    running = row._replace(state=State.RUNNING.value, version=row.version + 1, ready_ns=None, trace=trace.traceparent())
    services.metrics.intent_resumed(task.hook)
    intent = Intent(
        id=row.id,
        call=call,
        subject=subject,
        trace=trace,
        clock_ns=call.received_ns,
        row=running,
        resumed=Resumption(row=running, task=task, approvals=approvals, draft=draft, expired=task.state == TaskState.EXPIRED),
        approvals=approvals,
        opened=opened_already(),
        expires_ns=row.record_expires_ns or 0,
    )
    intent.notes["held"] = {"task": task.id, "mode": task.mode, "action": task.outcome}
    intent.step("resume")
    await take_path(services, intent)


def _enough(task: TaskRow, approvals: tuple[Approval, ...]) -> tuple[Approval, ...]:
    """The approvals without those of a task that needs more of them than stand: policy is never shown half of what it asked for."""
    mine = [one for one in approvals if one.hook == task.hook and one.hold_sha256 == task.hold_sha256]
    if len(mine) >= task.min_approvers or any(one.by == EXPIRY for one in mine):
        return approvals
    return tuple(one for one in approvals if one not in mine)


def standing_approvals(services: Services, loaded: Loaded, call: Call, draft: Draft | None) -> tuple[Approval, ...]:
    """The approvals of an intent that stand for what it is now; why others do not is counted and logged."""
    row, task = loaded.row, loaded.task
    sha256 = call_sha256(row.subject, call.surface, call.body)
    scope = Scope(row.tenant, row.id, scopes_of(sha256, task, draft), None if task is None else task.id)
    rows = loaded.approvals if sha256 == row.call_sha256 else ()
    good, rejected = standing(services.payload_keys, rows, scope, now_ns=time.time_ns(), active=lambda by: is_reviewer(services, row.tenant, by))
    for one in rejected:
        if one.why == REVOKED:  # by an edit, or by who gave it: that is nothing to look after
            continue
        services.metrics.approval_rejected(one.why)
        log.warning("approval.rejected", approval=one.id, intent_id=row.id, tenant=row.tenant, why=one.why)
    return good


def scopes_of(call_sha256: str, task: TaskRow | None, draft: Draft | None) -> dict[str, str]:
    """What approvals are bound to, by hook: the call, and the draft where that is what people judge or have written."""
    with_draft = scope_sha256(call_sha256, None if draft is None else draft.body)
    wrote = task is not None and task.hook == Hook.INTENT and task.mode == Mode.ANSWER
    return {Hook.INTENT.value: with_draft if wrote else scope_sha256(call_sha256, None), Hook.ANSWER.value: with_draft}


def is_reviewer(services: Services, tenant: str, key_id: str) -> bool:
    """Whether this key still is one of a person who may decide."""
    holder = services.keys.holder(tenant, key_id)
    return holder is not None and _REVIEWER in holder.roles
