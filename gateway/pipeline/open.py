"""Open: the first entry of the intent's record. It is written while the attempt runs and is durable before content leaves."""

from __future__ import annotations

import asyncio

import orjson

from gateway.capabilities.records.entries import Entry
from gateway.domain import Destination, Json
from gateway.pipeline.facts import decision_facts, decision_input, request_findings
from gateway.pipeline.intent import Intent
from gateway.pipeline.services import Services

DAY_NS = 86_400_000_000_000


def open_record(services: Services, intent: Intent, *, lazy: bool) -> None:
    """Hand the ``opened`` entry to the writer; ``intent.opened`` resolves when it is durable.

    A lazy entry rides with the next commit: a quick call then needs one commit for both of its entries.
    """
    intent.opened = services.records.append(opened_entry(services, intent), lazy=lazy)
    # Whoever needs it waits for it; where nobody comes to that, its failure is not news.
    intent.opened.add_done_callback(seen)


def opened_entry(services: Services, intent: Intent) -> Entry:
    """The first entry of the intent's record. The decision on the intent, if there is one by now, is on record with it."""
    days = intent.obligations.retention_days
    intent.expires_ns = intent.call.received_ns + (services.retention_ns if days is None else days * DAY_NS)
    intent.on_record = len(intent.decisions[:1])
    return Entry(
        tenant=intent.subject.tenant,
        intent_id=intent.id,
        kind="opened",
        at_ns=intent.call.received_ns,
        facts=_facts(services, intent),
        content=orjson.dumps(_content(intent)),
        expires_ns=intent.expires_ns,
    )


def opened_already() -> asyncio.Future[None]:
    """In the place of ``intent.opened``, of an intent whose first entry was durable before it was parked."""
    opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    opened.set_result(None)
    return opened


def seen(opened: asyncio.Future[None]) -> None:
    """Mark a failure as seen."""
    if not opened.cancelled():
        opened.exception()


def _facts(services: Services, intent: Intent) -> Json:
    subject, plan, inspection = intent.subject, intent.plan, intent.inspection
    facts: Json = {
        "subject": {"id": subject.id, "kind": subject.kind, "tenant": subject.tenant, "teams": subject.teams, "roles": subject.roles},
        "surface": intent.call.surface,
        "stream": intent.call.stream,
        "trace_id": intent.trace.trace_id,
        "versions": _versions(services, intent),
    }
    if plan is not None:
        facts |= {"route": plan.route.name, "target": intent.first_choice or plan.route.first.name, "stream_mode": plan.stream_mode}
    if inspection is not None:
        facts["findings"] = request_findings(intent, inspection)
        facts["unscanned"] = [{"where": where, "kind": kind} for where, kind in inspection.unscanned]
    if intent.call.idempotency_key is not None:
        facts["idempotent"] = True
    if intent.decisions:
        facts["decision"] = decision_facts(intent.decisions[0])
    return facts


def _versions(services: Services, intent: Intent) -> Json:
    """What was in force. Policy can change while an intent is under way: it is the revision by which it was decided."""
    revision = intent.decisions[0].revision if intent.decisions else services.policy.revision
    label = services.policy.label_of(revision)
    return {"config": services.config_version, "policy": revision, "code": services.code_version} | ({"policy_label": label} if label else {})


def _content(intent: Intent) -> Json:
    """What the record keeps of the request: redacted for the record, and nothing at all where it was never inspected."""
    inspection = intent.inspection
    if inspection is None or intent.bare:
        return {}
    content: Json = {"request": inspection.assemble(intent.obligations, Destination.RECORD)}
    if intent.decisions:
        content["decision_input"] = decision_input(intent, intent.decisions[0])
    return content
