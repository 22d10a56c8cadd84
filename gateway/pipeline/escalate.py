"""Escalate: policy wants a person to decide. Where there is a queue for it the intent is held, else it is refused.

An approval stands for the hold that it answers. Policy is asked with it in view, and decides; but where policy changed since people were asked, it is asked
without it first: what it would hold now for other reasons, people are asked about again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.capabilities.approvals import hold_sha256
from gateway.capabilities.policy.verdict import MODES
from gateway.domain import Decision, Hook, Reason
from gateway.domain_tasks import EXPIRY, QUEUE_PREFIX, ApprovalTerms, Mode
from gateway.pipeline.intent import Denied, Intent
from gateway.pipeline.parked import Held
from gateway.pipeline.services import Services
from gateway.settings import Queue

MOST_HOLDS = 10
"""How often one intent is held at most: a policy that asks people more often does not come to an end."""
_DEFAULT = "default"
_STRICTEST = ApprovalTerms()


async def with_approvals(services: Services, intent: Intent, hook: Hook, ask: Callable[[], Awaitable[Decision]]) -> Decision:
    """What policy decides with the approvals of the intent in view, as far as they answer what policy holds it for now."""
    everything = intent.approvals
    old = [approval for approval in everything if approval.hook == hook and approval.policy_revision != services.policy.revision]
    if old:
        intent.approvals = tuple(approval for approval in everything if approval not in old)
        bare = await ask()
        held = held_for(services, intent, bare)
        if not isinstance(held, Held) or all(approval.hold_sha256 != held.hold_sha256 for approval in old):
            return bare
        intent.approvals = tuple(approval for approval in everything if approval not in old or approval.hold_sha256 == held.hold_sha256)
    return await ask()


def escalated(services: Services, intent: Intent, decision: Decision) -> Held | Denied:
    """What becomes of an intent that policy escalates. What people have approved, and policy holds for the same reasons all the same, ends."""
    held = held_for(services, intent, decision)
    if isinstance(held, Denied):
        return held
    given = [approval.by for approval in intent.approvals if approval.hold_sha256 == held.hold_sha256]
    if len(given) >= held.min_approvers or EXPIRY in given:
        why = "policy holds it for the same reasons though it was approved; it has to look at input.approvals"
        return Denied(decision=decision, reasons=(Reason("policy.approval_ignored", why), *held.reasons))
    if intent.row is not None and intent.row.holds >= MOST_HOLDS:
        return Denied(decision=decision, reasons=(Reason("policy.held_too_often", f"policy has held it {MOST_HOLDS} times"), *held.reasons))
    return held


def held_for(services: Services, intent: Intent, decision: Decision) -> Held | Denied:
    """What an escalated intent is held for, or why nobody can be asked. Anything but an escalation is ``Denied`` here."""
    verdict, hook = decision.verdict, decision.hook
    terms = verdict.obligations.approval or _STRICTEST
    queue = _queue(services, intent, terms.queue)
    if verdict.outcome != "escalate" or queue is None:
        return Denied(decision=decision, reasons=(Reason("no queue", _no_queue(services, intent, terms.queue)), *verdict.reasons))
    mode = terms.mode or MODES[hook][0]
    on_expiry = terms.on_expiry or queue.on_expiry
    unmet = _unmet(services, intent, hook, mode, on_expiry)
    if unmet is not None:
        return Denied(decision=decision, reasons=(Reason("policy.unsupported", unmet), *verdict.reasons))
    return Held(
        decision=decision,
        reasons=verdict.reasons,
        obligations=verdict.obligations,
        mode=mode,
        queue=queue.name,
        min_approvers=terms.min_approvers,
        distinct_from=terms.distinct_from,
        expires_in_s=terms.expires_in_s or queue.expires_s,
        on_expiry=on_expiry,
        hold_sha256=hold_sha256(hook.value, queue.name, mode.value, [reason.rule for reason in verdict.reasons]),
    )


def _queue(services: Services, intent: Intent, named: str | None) -> Queue | None:
    """The queue that policy names, or the only one, or that named ``default``; none where nothing can be kept for the tenant."""
    queues = services.queues
    if not services.payload_keys.has(intent.subject.tenant):
        return None
    if named is not None:
        return queues.get(named)
    return next(iter(queues.values())) if len(queues) == 1 else queues.get(_DEFAULT)


def _no_queue(services: Services, intent: Intent, named: str | None) -> str:
    if not services.queues:
        return "policy wants a person to decide, and the config has no queue of people"
    if not services.payload_keys.has(intent.subject.tenant):
        return "policy wants a person to decide, and nothing can be kept for this tenant: tenants.NAME.payload_key is not set"
    if named is not None:
        return "policy wants a person of a queue to decide that the config does not have"
    return "policy wants a person to decide and names no queue; the config has several, and none named default"


def _unmet(services: Services, intent: Intent, hook: Hook, mode: Mode, on_expiry: str) -> str | None:
    """What of the terms cannot be met."""
    if mode not in MODES[hook]:
        return f"policy wants mode {mode} at the {hook} hook; an intent can be approved or answered, an answer reviewed"
    if intent.call.embeds and (mode is not Mode.APPROVE or hook is Hook.ANSWER):
        return "policy wants a person to judge vectors; requests for embeddings can only be approved"
    name = on_expiry.removeprefix(QUEUE_PREFIX)
    if name != on_expiry and name not in services.queues:
        return "policy wants the task to move to a queue that the config does not have"
    return None
