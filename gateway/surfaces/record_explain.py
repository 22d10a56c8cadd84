"""``GET /v1/records/{id}/explain``: the whole of an intent, to whom it belongs and to those who look after its tenant."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.explain_stored import explain_stored
from gateway.capabilities.policy.rehearsal import DEFAULT_LIMIT_S
from gateway.capabilities.policy.syntax import Program
from gateway.capabilities.records.decision_inputs import stored_decisions
from gateway.capabilities.records.entries import OPENED
from gateway.capabilities.records.explanation import explanation
from gateway.capabilities.records.store import Record, RecordStore
from gateway.domain import Json, Subject
from gateway.errors import NotFound, Overloaded, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.pipeline.identify import identify_key
from gateway.pipeline.services import Services
from gateway.surfaces.http_request import bearer_key

OVERSEERS: Final = frozenset({"operator", "auditor"})
"""Roles of keys that see all records of their tenant, not only their own."""
MOST: Final = 2
"""Explanations that are made at once, each of which takes a process for some 100 ms; more are refused, so that intents keep their processors."""
MOST_DECISIONS: Final = 4
"""Of one record, the intent's among them."""
MAX_ID_CHARS: Final = 200
_LIMIT_S: Final = 5.0
_MISSING: Final = "there is no such record for this key"


def explained(
    record: Record, policy: tuple[Bundle, Program] | None, *, link: str | None = None, limit_s: float = DEFAULT_LIMIT_S, most: int | None = None
) -> Json:
    """The explanation of a record, each decision with the rules that made it where ``policy`` is still the one that decided. Blocks.

    ``most`` bounds how many are: an answer has as many decisions as choices. The last ones are, for one of those settled it.
    """
    told = explanation(record, link=link)
    stored = stored_decisions(record)
    for at, (decision, one) in enumerate(zip(told["decisions"], stored, strict=True)):
        if policy is None:
            decision["explanation"] = {"explained": False, "why": "there is no policy now"}
        elif most is not None and 0 < at <= len(stored) - most:
            decision["explanation"] = {"explained": False, "why": f"of several choices the last {most - 1} are explained; gateway explain has all of them"}
        else:
            facts = one.facts | {"hook": one.hook}
            decision["explanation"] = explain_stored(*policy, facts, one.input, redacted=one.redacted, limit_s=limit_s)
    return told


def records_router(services: Services, store: RecordStore, *, link: str | None) -> APIRouter:
    """The endpoint over ``services``; ``link`` is the template of links to traces."""
    router = APIRouter(tags=["Records"])
    running: set[asyncio.Future[Json]] = set()

    @router.get("/v1/records/{id}/explain", summary="Explain what happened to an intent, and why")
    async def explain_record(id_: Annotated[str, Path(alias="id")], request: Request) -> dict[str, Any]:
        """A key sees the records of its own subject; one with role operator or auditor those of its tenant. What it may not see does not exist for it."""
        subject = identify_key(services, bearer_key(request.scope))
        if len(running) >= MOST:
            raise Overloaded("as many records are being explained as the gateway takes on at once; try again in a second", headers={"retry-after": "1"})
        # Whoever goes away leaves a thread behind, which keeps its place until it is done.
        work = asyncio.ensure_future(asyncio.to_thread(_read, services, store, subject, id_, link))
        running.add(work)
        work.add_done_callback(running.discard)
        try:
            return await asyncio.shield(work)
        except DatabaseError as error:
            raise RecordUnavailable("the records cannot be read now; try again later") from error

    return router


def _read(services: Services, store: RecordStore, subject: Subject, record_id: str, link: str | None) -> Json:
    if len(record_id) > MAX_ID_CHARS or not (record_id.isascii() and record_id.isprintable()):  # no id, and not every database takes such a text
        raise NotFound(_MISSING)
    try:
        record = store.show(subject.tenant, record_id)
    except NotFound:
        raise NotFound(_MISSING) from None
    if not _may_see(subject, record):
        raise NotFound(_MISSING)
    policy = services.policy.policy
    told = explained(record, None if policy is None else (policy.bundle, policy.program), link=link, limit_s=_LIMIT_S, most=MOST_DECISIONS)
    for decision in told["decisions"]:
        decision["explanation"] = _for_tenants(decision["explanation"], texts=_oversees(subject))
    return told


def _for_tenants(why: Json, *, texts: bool) -> Json:
    """An explanation without what the policy knows of other tenants: the values of its data and rules. Its text is for those who oversee a tenant."""
    if not why["explained"]:
        return why
    rules = [{name: value for name, value in rule.items() if name != "value"} for rule in why["rules"]]
    for rule in rules:
        if rule["failed"] is not None and not texts:
            rule["failed"] = rule["failed"] | {"text": None}
    return why | {"rules": rules, "data": [{name: value for name, value in read.items() if name != "value"} for read in why["data"]]}


def _oversees(subject: Subject) -> bool:
    return bool(OVERSEERS & set(subject.roles))


def _may_see(subject: Subject, record: Record) -> bool:
    opened = record.first(OPENED)
    owner = opened.facts.get("subject") if opened else None
    return _oversees(subject) or (isinstance(owner, dict) and owner.get("id") == subject.id)
