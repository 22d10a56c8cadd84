"""Rejoin: a call that says the same as one whose answer waits for a person joins that one, before a model is called for nothing."""

from __future__ import annotations

import asyncio
import time

from gateway.capabilities.approvals import call_sha256
from gateway.domain import State, Subject
from gateway.errors import Conflict, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_intents import IntentRow
from gateway.pipeline.close import close, refuse
from gateway.pipeline.intent import Call, Ending, Intent, Refused
from gateway.pipeline.parked import Parked
from gateway.pipeline.people import task_words
from gateway.pipeline.services import Services

HEADER = "Idempotency-Key"


async def rejoin(services: Services, intent: Intent) -> Parked | Refused | None:
    """The parked intent that the same call is already; ``None`` where there is none."""
    tenant, subject, call = intent.subject.tenant, intent.subject.id, intent.call
    if intent.whole or not services.lately.parked(tenant, subject, call.size):
        return None
    sha256 = await asyncio.to_thread(call_sha256, subject, call.surface, call.body)
    try:
        row = await asyncio.to_thread(services.intents.same_call, tenant, subject, sha256, time.time_ns() - services.join_ns)
    except DatabaseError:
        return None
    return None if row is None else await joined(services, intent, row.id)


async def joined(services: Services, intent: Intent, other: str) -> Parked | Refused:
    """What becomes of a call that says the same as one that is under way: its record says so, and its caller gets the other one's answer."""
    intent.row = None
    ending = Ending(state=State.CANCELLED, reason="joined", http_status=200, more={"joined": other})
    try:
        await close(services, intent, ending)
        found = await asyncio.to_thread(services.intents.load, intent.subject.tenant, other)
    except RecordUnavailable as error:
        return Refused(intent=intent, error=error)
    except DatabaseError:
        return Refused(intent=intent, error=RecordUnavailable("the gateway cannot read what this call has joined; ask again"))
    if found is None:
        return Refused(intent=intent, error=RecordUnavailable("what this call joined has ended meanwhile; ask again"))
    waiting = found.task is not None and found.row.state == State.PARKED
    return Parked(
        tenant=found.row.tenant,
        intent_id=other,
        trace_id=intent.trace.trace_id,
        route=found.row.route,
        model=str(intent.call.body["model"]),
        task=task_words(found.task) if waiting and found.task is not None else None,
        wait_s=wait_s_of(intent),
        joined=True,
        embeds=intent.call.embeds,
        decision="escalate" if waiting else None,
    )


async def taken(services: Services, intent: Intent, row: IntentRow) -> Parked | Refused:
    """What becomes of a call whose idempotency key came with another one at the same moment."""
    try:
        check_key(row, intent.subject, intent.call)
    except Conflict as error:
        return await refuse(services, intent, error)
    return await joined(services, intent, row.id)


def check_key(row: IntentRow, subject: Subject, call: Call) -> None:
    """See that an idempotency key comes with the call that it came with before.

    Raises:
        Conflict: It comes with another.
    """
    if row.call_sha256 != call_sha256(subject.id, call.surface, call.body):
        raise Conflict(f"this {HEADER} was used for another request; send the same body again, or another key", param=HEADER, code="idempotency_key_reused")


def wait_s_of(intent: Intent) -> float:
    """How long the route of an intent lets its caller wait."""
    return 0.0 if intent.plan is None else intent.plan.route.wait_s
