"""What the gateway refuses by itself though a policy allowed: obligations that it cannot meet. The pipeline's steps decide and screen do the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.domain import Hook, Obligations

_EMBEDDINGS = "embeddings"
_OF_INTENTS = ("max_tokens", "routes", "retention_days", "require_schema")


def refusal(hook: Hook, obligations: Obligations, facts: Mapping[str, Any], schemas: frozenset[str]) -> str | None:
    """The rule with which the gateway would refuse an allowed intent or answer; ``None`` where it would not.

    Args:
        hook: Whose verdict it is.
        obligations: What it demands.
        facts: Of the ``opened`` entry.
        schemas: The names of the config's schemas.
    """
    if hook is Hook.ANSWER:
        return "policy.unsupported" if any(getattr(obligations, name) is not None for name in _OF_INTENTS) else None
    return _of_intent(obligations, facts, schemas)


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
