"""Settle: a parked intent ends without going on: a person refused, nobody decided in time, its caller cancelled it, or its key is no longer good.

Its end, its task's and the last entry of its record are one transaction, so of several who want to end it, or to go on with it, one does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from gateway.capabilities.intents import Loaded, settle
from gateway.capabilities.records.entries import CLOSED, Entry
from gateway.domain import State
from gateway.domain_tasks import TaskState
from gateway.errors import Conflict, GatewayError
from gateway.infrastructure.database_ledger import Effect, MoveRefused
from gateway.infrastructure.database_tasks import TaskMove
from gateway.infrastructure.telemetry.logs import get_logger
from gateway.infrastructure.telemetry.semconv import IntentFacts, root_attributes, root_name
from gateway.pipeline.kept import answer_row
from gateway.pipeline.patience import patiently
from gateway.pipeline.services import Services

log = get_logger()


class Settlement(NamedTuple):
    """How a parked intent ends."""

    state: State
    error: GatewayError
    """What its caller is told."""
    task_state: TaskState
    move: str
    """Of the task: ``refuse``, ``expire``, ``cancel``."""
    by: str
    name: str = ""
    facts: Mapping[str, Any] = MappingProxyType({})
    """Further facts for the record."""
    before: tuple[Entry, ...] = ()
    """Entries of the record that come first."""


async def end_parked(services: Services, loaded: Loaded, settlement: Settlement) -> None:
    """End a parked intent.

    Raises:
        Conflict: It is not parked any more, or its task has changed.
        RecordUnavailable: The database does not take it.
        PayloadUnavailable: The tenant has no key to keep the answer under.
    """
    row, task, now_ns = loaded.row, loaded.task, time.time_ns()
    if task is None:
        raise Conflict("the intent waits for nobody")
    expires_ns = now_ns + services.keep_ns
    error = settlement.error
    effect = settle(
        row.tenant,
        row.id,
        version=row.version,
        state=settlement.state,
        now_ns=now_ns,
        http_status=error.http_status,
        answer=answer_row(services, row.tenant, row.id, None, error, expires_ns=expires_ns),
        expires_ns=expires_ns,
        task_state=settlement.task_state,
        move=TaskMove(row.tenant, task.id, 0, now_ns, settlement.move, settlement.by, settlement.name, "{}"),
    )
    facts = {"state": settlement.state, "reason": error.record_reason, "http_status": error.http_status, "task": task.id, **settlement.facts}
    closed = Entry(tenant=row.tenant, intent_id=row.id, kind=CLOSED, at_ns=now_ns, facts=facts, content=orjson.dumps({}), expires_ns=row.record_expires_ns)
    moved = services.background.start(_moved(services, loaded, settlement, effect, closed))
    try:
        await asyncio.shield(moved)
    except MoveRefused as refused:
        raise Conflict(f"the task or its intent has changed meanwhile: {refused}; look at it again") from refused


async def _moved(services: Services, loaded: Loaded, settlement: Settlement, effect: Effect[None], closed: Entry) -> None:
    row, task = loaded.row, loaded.task
    await patiently(services, effect, *settlement.before, closed)
    services.waiting.notify(row.tenant, row.id)
    _end_trace(services, loaded, settlement)
    services.metrics.intent_settled(row.route, settlement.state, stream=row.stream)
    if task is not None:
        services.metrics.task_ended(task.queue, task.mode, settlement.move, time.time_ns() - task.created_ns)
    log.info("intent.closed", intent_id=row.id, tenant=row.tenant, state=settlement.state, reason=settlement.error.record_reason)


def _end_trace(services: Services, loaded: Loaded, settlement: Settlement) -> None:
    """A segment of its own, linked to the one in which it was parked."""
    row, now_ns = loaded.row, time.time_ns()
    facts = IntentFacts(
        intent_id=row.id,
        tenant=row.tenant,
        subject=row.subject,
        route=row.route,
        surface=row.surface,
        state=settlement.state,
        status=settlement.error.http_status,
        config_revision=services.config_version,
        task=row.task_id,
        holds=row.holds,
    )
    trace = services.tracer.resume(row.trace)
    services.tracer.finish(trace, root_name(row.surface), now_ns, now_ns, root_attributes(facts), settlement.error.record_reason)
