"""What a policy can refer to: the sections and fields of ``gateway.input/v1``, and which of them forbid remembering a verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.domain import Hook

SCHEMA: Final = "gateway.input/v1"

VERDICT_RULES: Mapping[Hook, str] = {hook: f"data.gateway.{hook.value}.verdict" for hook in Hook}
"""The one rule of each hook."""

FIELDS: Mapping[str, frozenset[str] | None] = {
    "schema": None,
    "hook": None,
    "subject": frozenset({"id", "kind", "tenant", "teams", "roles", "on_behalf_of"}),
    "intent": frozenset({"id", "parent_id", "root_id", "depth", "surface", "name", "labels", "idempotency_key"}),
    "request": frozenset({"route", "stream", "params", "messages", "tools", "tokens_estimate", "cost_estimate_microusd", "unscanned"}),
    "findings": None,
    "approvals": None,
    "answer": frozenset(
        {"source", "author", "text", "finish_reason", "tool_calls", "schema_valid", "repairs", "fallback", "confidence", "signals"},
    ),
    "intent_verdict": frozenset({"outcome", "reasons", "obligations"}),
    "tool": frozenset({"server", "name", "arguments", "arguments_sha256", "risk"}),
    "task": frozenset({"id", "kind", "move", "actors", "worker", "evidence", "checks"}),
    "budget": frozenset({"remaining_microusd", "reserved_microusd"}),
    "versions": frozenset({"prompt", "schema", "tools", "index", "config", "policy", "variant"}),
    "time": None,
    "trace_id": None,
    "attempt": None,
}
"""Every section of the contract, also those that no hook has yet; the fields where the contract lists them. ``contract_schemas`` says which hook has what."""

VOLATILE: tuple[tuple[str, ...], ...] = (
    *(("intent", name) for name in ("id", "parent_id", "root_id", "idempotency_key")),
    *(("request", name) for name in ("messages", "params")),
    *(("answer", name) for name in ("text", "tool_calls")),
    *((name,) for name in ("tool", "task", "budget", "time", "trace_id")),
)
"""Content, time, money and what differs with every intent: a verdict that depends on one of these is never remembered. Tool definitions are none of it:
an agent sends the same ones with every turn."""

APPROVALS: Final = ("approvals",)
"""What people decided about one intent. Hardly any intent has some, so a verdict that depends on them is remembered where there are none, and only there."""

JUDGEMENTS: tuple[tuple[str, ...], ...] = (("answer", "confidence"), ("answer", "signals"))
"""Numbers that may differ with every answer. A verdict that can depend on them, on an answer that has them, is remembered apart from the others."""

PARAMETERS = ("request", "params")
"""One parameter by its name (``max_tokens``) is no content; all of them may hold some."""

CONTENT_OF_ANSWER: tuple[tuple[str, ...], ...] = (("answer", "text"), ("answer", "tool_calls"))
"""Whoever refers to these needs the whole answer before it can decide."""


EXTREMES: Final = frozenset({"sparse", "large"})
"""The samples that no intent looks like. They show that rules bear what is missing, and end in time on as much as there can be; not what they decide."""

_USUAL: Final = 3
_MANY_APPROVALS: Final = 20
"""More than two rounds of as many approvers as policy can ask for."""
_SIGNALS: Final[Mapping[str, Any]] = {
    "logprobs": 0.83, "agreement": 0.5, "schema_valid": False, "repairs": 1, "self_reported": 0.9, "truncated": False, "refusal": False, "fallback": True,
    "tool_errors": 2,
}  # fmt: skip
_ASSESSED: Final[Mapping[str, Any]] = {"schema_valid": False, "repairs": 1, "fallback": True, "confidence": 0.31, "signals": _SIGNALS}


def covers(path: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether a reference to ``path`` takes in all of ``other``: ``("answer",)`` covers ``("answer", "text")``."""
    return other[: len(path)] == path


def samples(hook: Hook) -> Mapping[str, Mapping[str, Any]]:
    """Inputs by name on which a policy is tried before it goes live: what is usual, next to nothing, and as much as the gateway would ever ask about."""
    usual = _sample(hook, _USUAL, "hello")
    approved = usual | {"approvals": [_approval(hook, "key_2")]}
    tried = {"usual": usual, "approved": approved, "sparse": {"schema": SCHEMA, "hook": hook.value}, "large": _sample(hook, 500, "aA1!-_ é" * 40)}
    if hook is Hook.ANSWER:
        tried["assessed"] = usual | {"answer": usual["answer"] | _ASSESSED}
        tried["reviewed"] = approved | {"answer": usual["answer"] | {"source": "person", "author": "key_2", "fallback": True}}
        tried["last resort"] = usual | {"answer": usual["answer"] | {"source": "gateway", "author": "last_resort", "schema_valid": True, "fallback": True}}
    return tried


def _sample(hook: Hook, many: int, text: str) -> dict[str, Any]:
    common: dict[str, Any] = {
        "schema": SCHEMA,
        "hook": hook.value,
        "subject": {"id": "key_1", "kind": "key", "tenant": "acme", "teams": ["support", "research"], "roles": ["user"], "on_behalf_of": None},
        "intent": {"id": "i1", "parent_id": None, "root_id": "i1", "depth": 0, "surface": "chat", "name": None, "labels": {}, "idempotency_key": None},
        "findings": [{"category": "EMAIL_ADDRESS", "count": 1, "where": f"messages[{i}].content", "origin": "caller"} for i in range(many)],
        "approvals": [_approval(hook, f"key_{i}") for i in range(min(many - _USUAL, _MANY_APPROVALS))],
        "versions": {"config": "c1", "policy": "p1"},
        "time": "2026-01-01T00:00:00Z",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "attempt": 0,
    }
    return common | (_intent_part(many, text) if hook is Hook.INTENT else _answer_part(many, text))


def _approval(hook: Hook, by: str) -> dict[str, Any]:
    mode, action = ("approve", "accept") if hook is Hook.INTENT else ("review", "edit")
    return {
        "id": f"apr_{by}", "hook": hook.value, "by": by, "name": "Ada", "roles": ["reviewer"], "teams": ["support"], "mode": mode, "action": action,
        "at": "2026-01-01T00:00:00Z", "scope_sha256": "0" * 64, "policy_revision": "p1", "expires_at": "2026-01-02T00:00:00Z",
    }  # fmt: skip


def _intent_part(many: int, text: str) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"id": {"type": "string"}}}}}
    request = {
        "route": "assistant",
        "stream": False,
        "params": {"temperature": 0.5, "max_tokens": 256},
        "messages": [{"role": "user", "content": text} for _ in range(many)],
        "tools": [tool for _ in range(many)],
        "tokens_estimate": 10 * many,
        "cost_estimate_microusd": many,
        "unscanned": [],
    }
    return {"request": request}


def _answer_part(many: int, text: str) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"id": "1"}'}}
    answer: dict[str, Any] = {
        "source": "model",
        "author": "simulated-1",
        "text": text * many,
        "finish_reason": "stop",
        "tool_calls": [call for _ in range(many)],
        "schema_valid": None,
        "repairs": 0,
        "fallback": False,
        "confidence": None,
        "signals": {},
    }
    verdict = {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"model": [], "caller": []}}}
    return {"request": {"route": "assistant", "stream": False}, "answer": answer, "intent_verdict": verdict}


UNICODE_DEPENDENT_REGEX: Final = re.compile(r"\\[dDwWsSbBpP]|[^\x00-\x7f]|\(\?[a-zA-Z]*i")
"""What regular expressions mean differently to the two engines: Rust's classes take in all of Unicode, Go's only ASCII."""
