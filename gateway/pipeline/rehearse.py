"""Rehearse: take a parked call as far along the path as it takes to check what a person wrote, and no farther: nothing is decided, called or recorded."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from gateway.capabilities.intents import Loaded
from gateway.capabilities.payloads import CONTEXT
from gateway.capabilities.redaction.request import Inspection
from gateway.domain import Subject
from gateway.errors import Conflict, NotFound
from gateway.infrastructure.database_intents import IntentRow
from gateway.pipeline.draft import checked
from gateway.pipeline.inspect import inspect
from gateway.pipeline.intent import Call, Intent, Plan
from gateway.pipeline.kept import SECOND_NS, opened_payload
from gateway.pipeline.parked import Draft
from gateway.pipeline.resolve import resolve
from gateway.pipeline.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What an answer of the call is checked against."""

    plan: Plan
    inspection: Inspection

    async def failures(self, draft: Draft) -> str:
        """Where an answer breaks the schemas of its call, in words; empty where it does not. A value is never told."""
        answer = await checked(self, draft)
        return "; ".join(f"{failure.where or 'the whole'} ({failure.keyword})" for failure in answer.failures)

    def blank(self, row: IntentRow) -> Draft:
        """An answer that a person has still to write."""
        message = {"role": "assistant", "content": "", "refusal": None}
        body = {
            "id": f"chatcmpl-{row.id}",
            "object": "chat.completion",
            "created": row.created_ns // SECOND_NS,
            "model": "person",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
        return Draft(body=body, source="person", author="")


async def rehearse(services: Services, loaded: Loaded, call: Call) -> Rehearsed:
    """Resolve and inspect a parked call again.

    Raises:
        Conflict: The key that made it is no longer good, or its route is gone.
        InvalidRequest: Its schema cannot be used any more.
        PayloadUnavailable: What was kept of it cannot be read.
    """
    row = loaded.row
    subject: Subject | None = services.keys.holder(row.tenant, row.subject)
    if subject is None or row.tenant not in services.redactors:
        raise Conflict("the key that made the call is revoked or expired: there is nobody to decide for", code="key_revoked")
    intent = Intent(id=row.id, call=call, subject=subject, trace=services.tracer.resume(row.trace), clock_ns=time.time_ns(), row=row)
    try:
        plan = await resolve(services, intent)
    except NotFound:
        raise Conflict("the call's route is not there any more, or its key may not use it: the task ends by itself in time", code="route_gone") from None
    demanded = opened_payload(services.payload_keys, loaded.payloads[CONTEXT])["require_schema"]
    if demanded in services.named_schemas:
        plan = replace(plan, schemas=(*plan.schemas, services.named_schemas[demanded]))
    inspection = intent.inspection = await inspect(services, intent)
    inspection.recall_placeholders()
    return Rehearsed(plan=plan, inspection=inspection)
