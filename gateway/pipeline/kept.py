"""What is kept of intents that wait, or are to be made only once: encrypted under their tenant's key, with an expiry, and never more than their end needs.

``call`` is the request and ``draft`` an answer that waits for a judgement; both go when the intent ends. ``context`` is what people see of them, ``answer``
what its caller gets.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import orjson

from gateway.capabilities.intents import Loaded, finish
from gateway.capabilities.payloads import ANSWER, CALL, CONTEXT, DRAFT, PayloadKeys
from gateway.domain import Json, Reason, State
from gateway.errors import GatewayError, Indeterminate, PayloadUnavailable, PolicyDenied, Settled
from gateway.infrastructure.database_intents import PayloadRow
from gateway.infrastructure.database_ledger import Effect
from gateway.pipeline.intent import Call, Ending, Intent
from gateway.pipeline.parked import Draft, Outcome
from gateway.pipeline.services import Services

SECOND_NS = 1_000_000_000
TERMS = "terms"
"""The part of a context that nobody is shown: what ``terms`` seals of the task."""
_KEY_STAYS = frozenset({State.COMPLETED, State.REFUSED})
"""After these ends of a running intent its idempotency key stands for what came of it; after all others the call may be made again. What ended while it
waited stays, too."""


_GONE = {"message": "the answer was kept for a time, which is over; its record tells how it ended", "type": "invalid_request_error", "code": "answer_expired"}


def finished(services: Services, intent: Intent, ending: Ending) -> Effect[None]:
    """The move of a running intent to its end, with what its caller gets."""
    tenant, now_ns = intent.subject.tenant, time.time_ns()
    expires_ns = now_ns + services.keep_ns
    row = answer_row(services, tenant, intent.id, ending.body, ending.error, expires_ns=expires_ns)
    return finish(
        tenant,
        intent.id,
        state=ending.state,
        now_ns=now_ns,
        http_status=ending.http_status,
        answer=row,
        expires_ns=expires_ns,
        keep_key=ending.state in _KEY_STAYS,
    )


def answer_row(services: Services, tenant: str, intent_id: str, body: Json | None, error: GatewayError | None, *, expires_ns: int | None) -> PayloadRow | None:
    """What the caller gets, to be kept; ``None`` where there is nothing to get."""
    if body is not None:
        return sealed(services, tenant, intent_id, ANSWER, {"body": body}, expires_ns=expires_ns)
    if error is None:
        return None
    told: Json = {"status": error.http_status, "error": {"message": error.message, "type": error.type, "param": error.param, "code": error.reason_code}}
    if isinstance(error, PolicyDenied):
        told["reasons"] = [reason._asdict() for reason in error.reasons]
    return sealed(services, tenant, intent_id, ANSWER, told, expires_ns=expires_ns)


def sealed(services: Services, tenant: str, intent_id: str, kind: str, value: Any, *, expires_ns: int | None) -> PayloadRow:
    """A payload to be stored.

    Raises:
        PayloadUnavailable: The tenant has no key to keep anything under.
    """
    key_id, data = services.payload_keys.seal(tenant, intent_id, kind, orjson.dumps(value))
    return PayloadRow(tenant=tenant, intent_id=intent_id, kind=kind, key_id=key_id, sealed=data, expires_ns=expires_ns)


def opened_payload(keys: PayloadKeys, row: PayloadRow) -> Any:
    """What a stored payload holds.

    Raises:
        PayloadUnavailable: Its key is not configured, or it is not what was stored.
    """
    return orjson.loads(keys.open(row.tenant, row.intent_id, row.kind, row.key_id, row.sealed))


def call_row(services: Services, intent: Intent, *, expires_ns: int | None) -> PayloadRow:
    """The call of an intent."""
    call = intent.call
    kept = {name: getattr(call, name) for name in ("surface", "body", "size", "stream", "idempotency_key")} | {"subject": intent.subject.id}
    return sealed(services, intent.subject.tenant, intent.id, CALL, kept, expires_ns=expires_ns)


def call_of(services: Services, loaded: Loaded, *, now_ns: int) -> Call | None:
    """The call of a parked intent, received again now; ``None`` where it is not kept any more.

    Raises:
        PayloadUnavailable: It cannot be read, or another subject made it than the intent's row says.
    """
    row = loaded.payloads.get(CALL)
    if row is None:
        return None
    kept = opened_payload(services.payload_keys, row)
    if kept.pop("subject") != loaded.row.subject:
        raise PayloadUnavailable(f"intent {row.intent_id} was made by another subject than its row says: restore the table `intents` from a backup")
    return Call(key="", traceparent=None, received_ns=now_ns, **kept)


def draft_row(services: Services, tenant: str, intent_id: str, draft: Draft, *, expires_ns: int | None) -> PayloadRow:
    """An answer that waits for a judgement."""
    return sealed(services, tenant, intent_id, DRAFT, asdict(draft), expires_ns=expires_ns)


def draft_of(services: Services, loaded: Loaded) -> Draft | None:
    """The answer that waits; ``None`` where there is none.

    Raises:
        PayloadUnavailable: It cannot be read.
    """
    row = loaded.payloads.get(DRAFT)
    if row is None:
        return None
    kept = opened_payload(services.payload_keys, row)
    return Draft(**{**kept, **{name: tuple(kept[name]) for name in ("standings", "attempts", "repairs")}})


def context_row(services: Services, tenant: str, intent_id: str, context: Json, *, expires_ns: int | None) -> PayloadRow:
    """What people see of an intent: the request and the draft, as far as policy reveals them."""
    return sealed(services, tenant, intent_id, CONTEXT, context, expires_ns=expires_ns)


def outcome_of(keys: PayloadKeys, loaded: Loaded) -> Outcome:
    """What came of an intent that has ended.

    Raises:
        PayloadUnavailable: It cannot be read.
    """
    state = State(loaded.row.state)
    if state is State.INDETERMINATE:
        gone = Indeterminate("the gateway stopped while this call ran: whether it was made is not known, and it is not made again by itself")
        return Outcome(state, gone.http_status, None, gone)
    row = loaded.payloads.get(ANSWER)
    if row is None:
        error = Settled(410, _GONE)
        return Outcome(state, error.http_status, None, error)
    kept = opened_payload(keys, row)
    if "body" in kept:
        return Outcome(state, 200, kept["body"], None)
    return Outcome(state, kept["status"], None, _error(kept))


def _error(kept: Json) -> GatewayError:
    if "reasons" in kept:
        return PolicyDenied(tuple(Reason(**reason) for reason in kept["reasons"]))
    return Settled(kept["status"], kept["error"])
