"""What the gateway refuses by itself though a policy did not: obligations that it cannot meet. The pipeline's steps do the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.capabilities.policy.backtest.recorded import ESCALATED
from gateway.capabilities.policy.verdict import MODES
from gateway.domain import Hook, Obligations, Verdict
from gateway.domain_tasks import QUEUE_PREFIX, REFUSE, RELEASE, ApprovalTerms, Mode

_EMBEDDINGS = "embeddings"
_OF_INTENTS = ("max_tokens", "routes", "retention_days", "require_schema")
_DEFAULT: Final = "default"
_STRICTEST: Final = ApprovalTerms()


class Means(NamedTuple):
    """What the gateway has to meet obligations with."""

    schemas: frozenset[str] = frozenset()
    """The names of the config's schemas."""
    queues: frozenset[str] = frozenset()
    """The names of the config's queues of people."""


NOTHING: Final = Means()


def refusal(hook: Hook, verdict: Verdict, facts: Mapping[str, Any], means: Means) -> str | None:
    """The rule with which the gateway would refuse an intent or answer that the policy allowed or left to a person; ``None`` where it would not.

    Args:
        hook: Whose verdict it is.
        verdict: What the policy says.
        facts: Of the ``opened`` entry.
        means: What the gateway has.
    """
    if verdict.outcome == "deny":
        return None
    if verdict.outcome == "escalate":
        return _of_escalation(hook, verdict.obligations, facts, means.queues)
    if hook is Hook.ANSWER:
        return "policy.unsupported" if any(getattr(verdict.obligations, name) is not None for name in _OF_INTENTS) else None
    return _of_intent(verdict.obligations, facts, means.schemas)


def _of_intent(obligations: Obligations, facts: Mapping[str, Any], schemas: frozenset[str]) -> str | None:
    if facts.get("unscanned") and not obligations.allow_unscanned:
        return "policy.unscanned"
    if obligations.routes is not None and not any(granted.partition("/")[0] == facts.get("route") for granted in obligations.routes):
        return "policy.route"
    if obligations.allow_invalid:
        return "policy.unsupported"
    if obligations.require_schema is None:
        return None
    if facts.get("surface") == _EMBEDDINGS:
        return "policy.unsupported"
    return None if obligations.require_schema in schemas else "policy.schema"


def _of_escalation(hook: Hook, obligations: Obligations, facts: Mapping[str, Any], queues: frozenset[str]) -> str | None:
    """Nobody can be asked in a queue that is not there, or for what cannot be done at this hook."""
    terms = obligations.approval or _STRICTEST
    if not _has_queue(terms.queue, queues):
        return ESCALATED
    mode = terms.mode or MODES[hook][0]
    fits = mode in MODES[hook] and (mode is Mode.APPROVE or facts.get("surface") != _EMBEDDINGS)
    ends = terms.on_expiry in {None, REFUSE, RELEASE} or str(terms.on_expiry).removeprefix(QUEUE_PREFIX) in queues
    return None if fits and ends else "policy.unsupported"


def _has_queue(named: str | None, queues: frozenset[str]) -> bool:
    if named is not None:
        return named in queues
    return len(queues) == 1 or _DEFAULT in queues
