"""Queues of the file, and what tenants need for them, to the objects of ``compiled_queues``. Nothing can be wrong here any more."""

from __future__ import annotations

from gateway.configuration.compiled_queues import Queue, Waiting, Webhook
from gateway.configuration.models_queues import QueueShape, WaitingShape
from gateway.configuration.references import Resolved
from gateway.configuration.secret import Secret


def compile_queue(name: str, shape: QueueShape, resolved: Resolved) -> Queue:
    """One queue."""
    return Queue(
        name=name,
        description=shape.description,
        due_s=shape.due_s,
        expires_s=shape.expires_s,
        claim_s=shape.claim_s,
        on_expiry=shape.on_expiry,
        teams=frozenset(shape.teams),
        webhook=_webhook(name, shape, resolved),
    )


def compile_waiting(shape: WaitingShape) -> Waiting:
    """How intents that wait are kept."""
    return Waiting(keep_s=shape.keep_s, join_s=shape.join_s, sweep_s=shape.sweep_s, poll_s=shape.poll_s, keep_alive_s=shape.keep_alive_s)


def payload_keys(tenant: str, older: int, resolved: Resolved) -> tuple[Secret, ...]:
    """A tenant's keys, the current one first; none where it has none."""
    places = [("tenants", tenant, "payload_key"), *(("tenants", tenant, "older_payload_keys", index) for index in range(older))]
    return tuple(secret for place in places if (secret := resolved.secrets.get(place)) is not None)


def _webhook(name: str, shape: QueueShape, resolved: Resolved) -> Webhook | None:
    secret = resolved.secrets.get(("queues", name, "webhook", "secret"))
    if shape.webhook is None or secret is None:
        return None
    return Webhook(url=resolved.texts.get(("queues", name, "webhook", "url"), shape.webhook.url), secret=secret)
