"""Idempotency keys: a call with one is made once. Sent again it gets the same answer, or waits for it; with another body it is refused."""

from __future__ import annotations

import asyncio
import time

from gateway.capabilities.approvals import call_sha256
from gateway.capabilities.intents import begin
from gateway.domain import State, Subject
from gateway.errors import InvalidRequest, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_intents import IntentRow, TakenError
from gateway.infrastructure.database_ledger import MoveRefused
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.hold import new_row
from gateway.pipeline.intent import Call, Intent, Refused
from gateway.pipeline.open import opened_entry, seen
from gateway.pipeline.parked import Parked
from gateway.pipeline.people import task_words
from gateway.pipeline.rejoin import HEADER, check_key, joined
from gateway.pipeline.services import Services


async def earlier(services: Services, subject: Subject, call: Call) -> Parked | None:
    """The intent that the same call with the same key is already; ``None`` where it is the first.

    Raises:
        Conflict: The key belongs to a call with another body.
        InvalidRequest: Nothing can be kept for this tenant, so no call of it can be made only once.
        RecordUnavailable: The database cannot be read.
    """
    if call.idempotency_key is None:
        return None
    if not services.payload_keys.has(subject.tenant):
        raise InvalidRequest(f"{HEADER} needs tenants.{subject.tenant}.payload_key in the gateway's config; leave the header out, or ask the operator")
    try:
        row, task = await asyncio.to_thread(_known, services, subject, call.idempotency_key)
    except DatabaseError as error:
        raise RecordUnavailable("the gateway cannot read its records; try again later") from error
    if row is None:
        return None
    check_key(row, subject, call)
    route = services.routes.get(call.body["model"])
    return Parked(
        tenant=row.tenant,
        intent_id=row.id,
        trace_id=row.trace.split("-")[1],
        route=row.route,
        model=str(call.body["model"]),
        wait_s=0.0 if route is None else route.wait_s,
        task=None if task is None else task_words(task),
        joined=True,
        embeds=call.embeds,
        decision=None if task is None else "escalate",
    )


def _known(services: Services, subject: Subject, key: str) -> tuple[IntentRow | None, TaskRow | None]:
    """The intent of a key whose time is not over, and the task that it waits for."""
    row = services.intents.by_key(subject.tenant, subject.id, key)
    if row is None or (row.expires_ns is not None and row.expires_ns <= time.time_ns()):  # over, though nobody has swept it yet
        return None, None
    return row, services.tasks.get(subject.tenant, row.task_id) if row.state == State.PARKED and row.task_id is not None else None


async def begin_once(services: Services, intent: Intent) -> Parked | Refused | None:
    """Open the record of an intent with a key, before anything is called. Not ``None`` where another call with the key was first.

    Raises:
        Conflict: And that one has another body.
        RecordUnavailable: It cannot be written.
    """
    call = intent.call
    entry = opened_entry(services, intent)
    sha256 = call_sha256(intent.subject.id, call.surface, call.body)
    # Before it is durable: where the gateway stops meanwhile the row ends with its record. One that ran for ever would keep the key from everybody.
    intent.row = new_row(intent, State.RUNNING, sha256, now_ns=time.time_ns(), holds=0)
    intent.opened = services.records.move(begin(intent.row), entry)
    intent.opened.add_done_callback(seen)
    try:
        await asyncio.shield(intent.opened)
    except TakenError as taken:
        intent.opened = intent.row = None
        check_key(taken.row, intent.subject, call)
        return await joined(services, intent, taken.row.id)
    except MoveRefused as refused:
        intent.opened = intent.row = None
        raise RecordUnavailable("another call with this key is being made at this very moment; try again") from refused
    return None
