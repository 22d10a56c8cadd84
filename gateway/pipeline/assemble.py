"""Assemble: the request as the target may see it. Only an allowed intent can be assembled."""

from __future__ import annotations

from typing import TypeAlias

import orjson

from gateway.domain import Destination, Json
from gateway.infrastructure.model_client import ModelRequest
from gateway.pipeline.intent import Allowed, Intent

_TOKEN_LIMITS = ("max_completion_tokens", "max_tokens")


Request: TypeAlias = ModelRequest


def assemble(intent: Intent, allowed: Allowed) -> Request:
    """The body to send, serialised afresh so that what was judged is what is sent (no duplicate keys, no other encoding).

    What is not revealed to the model is replaced by placeholders, ``max_tokens`` is lowered to the obligation, usage is always asked for.
    """
    plan = allowed.plan
    body: Json = {**allowed.inspection.assemble(allowed.obligations, Destination.MODEL), "model": plan.route.target.model}
    if allowed.obligations.max_tokens is not None:
        _lower_max_tokens(intent, body, allowed.obligations.max_tokens, plan.route.target.max_tokens_field)
    if plan.stream_mode is not None:
        asked = body.get("stream_options")
        body["stream_options"] = {**(asked if isinstance(asked, dict) else {}), "include_usage": True}
    return Request(body, orjson.dumps(body))


def _lower_max_tokens(intent: Intent, body: Json, limit: int, field: str) -> None:
    """Cap what the caller asked for, or set the cap where it asked for none; the caller is told in the ``gateway`` object.

    What is sent stands under the target's own name alone: it may not know the other one, and some servers take a number below one for no limit.
    """
    asked = [value for name in _TOKEN_LIMITS if (value := body.pop(name, None)) is not None]
    kept = [value for value in asked if type(value) is int and 0 < value <= limit]
    body[field] = min(kept, default=limit)
    if not kept or len(kept) < len(asked):
        intent.notes["max_tokens"] = body[field]
