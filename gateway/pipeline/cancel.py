"""Cancel: a caller takes back an intent that waits."""

from __future__ import annotations

import asyncio

from gateway.capabilities.intents import Loaded
from gateway.domain import State, Subject
from gateway.domain_tasks import TaskState
from gateway.errors import Conflict, NotFound, RecordUnavailable, Settled
from gateway.infrastructure.database import DatabaseError
from gateway.pipeline.services import Services
from gateway.pipeline.settle import Settlement, end_parked

_CANCELLED = Settled(409, {"message": "the intent was cancelled by its caller", "type": "invalid_request_error", "param": None, "code": "cancelled"})


async def cancel(services: Services, subject: Subject, intent_id: str) -> Loaded:
    """Cancel a parked intent of the subject; what is stored of it afterwards.

    Raises:
        NotFound: The subject has no such intent.
        Conflict: It does not wait for a person: it runs, or has ended.
        RecordUnavailable: The database cannot be read or written.
    """
    loaded = await _load(services, subject, intent_id)
    if loaded.row.state != State.PARKED:
        raise Conflict(f"the intent is {loaded.row.state}: only one that waits for a person can be cancelled", code="not_parked")
    await end_parked(services, loaded, Settlement(State.CANCELLED, _CANCELLED, TaskState.CANCELLED, "cancel", subject.id, subject.name))
    return await _load(services, subject, intent_id)


async def _load(services: Services, subject: Subject, intent_id: str) -> Loaded:
    try:
        loaded = await asyncio.to_thread(services.intents.load, subject.tenant, intent_id)
    except DatabaseError as error:
        raise RecordUnavailable("the gateway cannot read its records; try again later") from error
    if loaded is None or loaded.row.subject != subject.id:
        raise NotFound("there is no such intent for this key")
    return loaded
