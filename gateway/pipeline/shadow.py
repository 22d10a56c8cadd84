"""What a candidate policy would have decided: asked beside the live one, told to the record if it differs and is known in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.capabilities.policy.shadow_worker import NONE, Shadowed, rules
from gateway.domain import Decision, Destination, Hook, Json, Obligations
from gateway.pipeline.intent import Intent
from gateway.pipeline.services import Services

_MAX_RULES: Final = 16
"""Rules of a candidate's verdict that stand on a record."""


async def asked(services: Services, intent: Intent, hook: Hook, parts: Mapping[str, Any]) -> Decision:
    """The live policy's decision on ``parts``. The candidate is asked once that is made, and nobody waits for it."""
    decision = await services.policy.decide(hook, parts)
    if services.shadow is not None:
        known = decision.revision == services.policy.revision  # not so where policy has changed since, or an OPA server has the one before
        reads = services.policy.reads(hook) if known else None
        shadowed = services.shadow.offer(parts, decision, reads=reads, size=intent.call.size)
        if shadowed is not None:
            intent.shadowed.append(shadowed)
    return decision


def shadow_facts(intent: Intent) -> list[Json]:
    """The decisions of the intent that the candidate would have made otherwise, as far as that is known by now."""
    return [_facts(intent, shadowed) for shadowed in intent.shadowed if shadowed.difference not in {None, NONE}]


def _facts(intent: Intent, shadowed: Shadowed) -> Json:
    decision = shadowed.decision
    if decision is None:
        raise ValueError("a difference is known only of what was decided")
    named = rules(decision.verdict)[:_MAX_RULES]
    if intent.inspection is not None:  # a policy may compute the name of a rule from content
        named = intent.inspection.redact(named, Obligations(), Destination.RECORD)
    return {
        "hook": shadowed.hook.value,
        "difference": shadowed.difference,
        "revision": decision.revision,
        "outcome": decision.verdict.outcome,
        "rules": named,
    }
