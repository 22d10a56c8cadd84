"""``/v1/intents/{id}``: where an intent stands and what came of it, for whoever sent it and did not wait; and the way to call it off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final, NamedTuple

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from gateway.capabilities.records.entries import OPENED
from gateway.capabilities.records.store import Record, RecordStore
from gateway.domain import MOVES, Json, State, Subject
from gateway.errors import Conflict, GatewayError, NotFound, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_intents import IntentRow
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.cancel import cancel
from gateway.pipeline.identify import identify_key
from gateway.pipeline.pending import Wait, error_facts
from gateway.pipeline.people import clock, task_words
from gateway.pipeline.services import Services
from gateway.surfaces.http_request import bearer_key
from gateway.surfaces.intent_endpoint import seconds
from gateway.surfaces.openapi_intents import SECONDS
from gateway.surfaces.record_explain import MAX_ID_CHARS, OVERSEERS

_MISSING: Final = "there is no such intent for this key"
_WAIT: Final = Query(description="Seconds to wait for the end of the intent, up to a day.", json_schema_extra={"pattern": SECONDS})
_SPACE: Final = b" "
_UNBUFFERED: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Seen(NamedTuple):
    """An intent as it stands for one caller."""

    facts: Json
    kept: bool
    """Whether more is kept of it than its record: only then is there an answer, or something to wait for."""
    ended: bool
    mine: bool
    """Whether the caller is who sent it. Nobody else is shown the answer, which holds what policy reveals to that caller alone."""


def intents_router(services: Services, store: RecordStore) -> APIRouter:
    """The endpoints over ``services``; ``store`` tells of intents that never waited."""
    router = APIRouter(tags=["Intents"])

    @router.get("/v1/intents/{id}", summary="Show where an intent stands, and its answer")
    async def show_intent(id_: Annotated[str, Path(alias="id")], request: Request, wait: Annotated[str | None, _WAIT] = None) -> Response:
        """A key sees the intents of its own subject; one with role operator or auditor also those of its tenant, without their answers.

        With `wait` the answer comes as soon as the intent has ended, or after so many seconds; whitespace before it keeps the connection alive.
        """
        subject = identify_key(services, bearer_key(request.scope))
        wait_s = 0.0 if wait is None else seconds(wait, "the parameter wait")
        seen = await _see(services, store, subject, id_)
        if wait_s and seen.kept and not seen.ended:
            return StreamingResponse(_waited(services, store, subject, id_, wait_s), media_type="application/json", headers=_UNBUFFERED)
        told = await _with_outcome(services, subject, seen)
        _leaves(services, subject, seen)
        return JSONResponse(told)

    @router.delete("/v1/intents/{id}", summary="Call an intent off")
    async def cancel_intent(id_: Annotated[str, Path(alias="id")], request: Request) -> dict[str, Any]:
        """Only one that waits for a person can be called off, by the subject that sent it. Its task is cancelled, and whoever waits for it is told so."""
        subject = identify_key(services, bearer_key(request.scope))
        if not (await _see(services, store, subject, id_)).kept:
            raise Conflict("the intent has ended: only one that waits for a person can be called off", code="not_parked")
        await cancel(services, subject, id_)
        return await _with_outcome(services, subject, await _see(services, store, subject, id_))

    return router


async def _waited(services: Services, store: RecordStore, subject: Subject, intent_id: str, wait_s: float) -> AsyncGenerator[bytes, None]:
    """Keep-alives, then the intent as it stands once it has ended or the time is over. The status has left by then: an error is told in it."""
    wait = Wait(services, subject.tenant, intent_id, wait_s)
    seen: Seen | None = None
    try:
        while await wait.outcome() is None and not wait.over:
            yield _SPACE
        seen = await _see(services, store, subject, intent_id)
        told = await _with_outcome(services, subject, seen)
    except GatewayError as error:
        told = {"error": error_facts(error)} if seen is None else seen.facts | {"error": error_facts(error)}
        seen = None
    if seen is not None:
        _leaves(services, subject, seen)
    yield orjson.dumps(told)


def _leaves(services: Services, subject: Subject, seen: Seen) -> None:
    """Note that whoever sent the intent is told what came of it."""
    if seen.kept and seen.ended and seen.mine:
        services.background.start(services.waiting.collected(subject.tenant, seen.facts["id"]))


async def _with_outcome(services: Services, subject: Subject, seen: Seen) -> Json:
    """What is told of an intent, with what came of it for whoever sent it.

    Raises:
        PayloadUnavailable: That is kept, and cannot be read.
    """
    if not (seen.ended and seen.kept and seen.mine):
        return seen.facts
    outcome = await services.waiting.outcome(subject.tenant, seen.facts["id"], 0)
    if outcome is None:
        return seen.facts
    return seen.facts | {"answer": outcome.body, "error": None if outcome.error is None else error_facts(outcome.error)}


async def _see(services: Services, store: RecordStore, subject: Subject, intent_id: str) -> Seen:
    """The intent as it stands.

    Raises:
        NotFound: There is none that this subject may see.
        RecordUnavailable: The database cannot be asked.
    """
    if len(intent_id) > MAX_ID_CHARS or not (intent_id.isascii() and intent_id.isprintable()):  # no id, and not every database takes such a text
        raise NotFound(_MISSING)
    try:
        return await asyncio.to_thread(_read, services, store, subject, intent_id)
    except DatabaseError as error:
        raise RecordUnavailable("what is kept of intents cannot be read now; try again later") from error


def _read(services: Services, store: RecordStore, subject: Subject, intent_id: str) -> Seen:
    row = services.intents.get(subject.tenant, intent_id)
    if row is None:
        return _of_record(store, subject, intent_id)
    mine = row.subject == subject.id
    if not (mine or _oversees(subject)):
        raise NotFound(_MISSING)
    task = None if row.task_id is None else services.tasks.get(subject.tenant, row.task_id)
    return Seen(_facts(row, task), kept=True, ended=not MOVES[State(row.state)], mine=mine)


def _of_record(store: RecordStore, subject: Subject, intent_id: str) -> Seen:
    """An intent that never waited, or whose answer is no longer kept: its record says how it ended."""
    try:
        record = store.show(subject.tenant, intent_id)
    except NotFound:
        raise NotFound(_MISSING) from None
    opened = record.first(OPENED)
    facts = {} if opened is None else opened.facts
    mine = (facts.get("subject") or {}).get("id") == subject.id
    if not (mine or _oversees(subject)):
        raise NotFound(_MISSING)
    return Seen(_shape(intent_id, record.state, facts.get("route"), *_times(record)), kept=False, ended=True, mine=mine)


def _oversees(subject: Subject) -> bool:
    return not OVERSEERS.isdisjoint(subject.roles)


def _times(record: Record) -> tuple[int, int]:
    return record.entries[0].at_ns, record.entries[-1].at_ns


def _facts(row: IntentRow, task: TaskRow | None) -> Json:
    facts = _shape(row.id, row.state, row.route, row.created_ns, row.changed_ns)
    if row.expires_ns is not None:
        facts["expires_at"] = clock(row.expires_ns)
    if task is not None:
        facts["task"] = {**task_words(task), "state": task.state}
    return facts


def _shape(intent_id: str, state: str, route: str | None, created_ns: int, changed_ns: int) -> Json:
    return {
        "id": intent_id,
        "object": "intent",
        "state": state,
        "route": route,
        "created_at": clock(created_ns),
        "changed_at": clock(changed_ns),
        "expires_at": None,
        "task": None,
        "answer": None,
        "error": None,
        "record": intent_id,
    }
