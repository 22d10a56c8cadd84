"""Random inputs of the contract: every section and field, what callers may put where they are free, and now and then a part that is missing or null."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from gateway.domain import Hook

TEXTS = (
    "", "hello", "assistant", "delete_account", "a b", "Jane <jane@example.com>", "naïve café", "Straße", "ΑΒΓ ς", "İstanbul", "日本語のテキスト", "e\u0301",
    "\U0001f469\u200d\U0001f467", "\U0001f600", "\u202eabc", "\u0000", "\t\n\r", "\u2028", "%s %d %v", '"quoted" \\ /', "<EMAIL_7Q2K>", "{{a}}", "\ufb00",
    "\ufeff", "1e400", "0x1F", "null", "acme", "x" * 200, "\u007f\u0080", "\u017f", "\u212a",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 7, 255, 256, 1024, 8192, 65_536, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 10**15, 10**18,
    0.0, -0.0, 0.1, 0.5, 0.7, 1.0, 1.5, 2.5, -2.5, 1e-7, 1e-300, 5e-324, 1e15, 1e16, 1e17, 1e21, 1e22, 1.7976931348623157e308, 0.1 + 0.2, 1 / 3, 123456.789,
    100.0, 4.35,
)  # fmt: skip
CATEGORIES = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "SECRET", "PROJECT")
TOOLS = ("look_up", "delete_account", "transfer_money", "send_mail", "admin.reset", "", "Look_Up", "größe")

Make = Callable[[random.Random], Any]


def some_json(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON that orjson can write."""
    kind = chance.randrange(10 if depth < 4 else 6)
    if kind < 2:
        return chance.choice(TEXTS)
    if kind < 4:
        return chance.choice(NUMBERS)
    if kind < 6:
        return chance.choice((None, True, False))
    if kind < 8:
        return [some_json(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(TEXTS): some_json(chance, depth + 1) for _ in range(chance.randrange(4))}


def some_input(hook: Hook, chance: random.Random) -> dict[str, Any]:
    """The sections that the gateway gives to ``hook``, with a hole here and there. What has a type in the contract has it, for the gateway sees to that."""
    sections: dict[str, Any] = {name: make(chance) for name, make in (_INTENT if hook is Hook.INTENT else _ANSWER).items()}
    for name in list(sections):
        if chance.random() < 0.03:
            del sections[name]
        elif isinstance(sections[name], dict):
            _pierce(sections[name], chance)
    return sections


def _pierce(section: dict[str, Any], chance: random.Random) -> None:
    for name in list(section):
        if chance.random() < 0.02:
            del section[name]


def _of(*values: Any) -> Make:
    return lambda chance: chance.choice(values)


def _several(make: Make, most: int) -> Make:
    return lambda chance: [make(chance) for _ in range(chance.randrange(most + 1))]


def _text(chance: random.Random) -> str:
    return chance.choice(TEXTS)


def _number(chance: random.Random) -> Any:
    return chance.choice(NUMBERS) if chance.random() < 0.7 else chance.choice((chance.randrange(-(2**62), 2**62), chance.uniform(-1e6, 1e6), chance.random()))


def _object(fields: Mapping[str, Make]) -> Make:
    return lambda chance: {name: make(chance) for name, make in fields.items()}


def _labels(chance: random.Random) -> dict[str, str]:
    return {chance.choice(("team", "data_class", "env", "größe", "")): _text(chance) for _ in range(chance.randrange(3))}


def _content(chance: random.Random) -> Any:
    if chance.random() < 0.7:
        return " ".join(_text(chance) for _ in range(chance.randrange(6)))
    return [{"type": "text", "text": _text(chance)} for _ in range(chance.randrange(3))] if chance.random() < 0.8 else None


def _message(chance: random.Random) -> dict[str, Any]:
    message = {"role": chance.choice(("system", "user", "assistant", "tool")), "content": _content(chance)}
    return message if chance.random() < 0.9 else message | {chance.choice(TEXTS): some_json(chance)}


def _tool(chance: random.Random) -> Any:
    if chance.random() < 0.05:
        return {chance.choice(TEXTS): some_json(chance)}
    return {"type": "function", "function": {"name": chance.choice(TOOLS), "description": _text(chance), "parameters": some_json(chance, 2)}}


def _params(chance: random.Random) -> dict[str, Any]:
    known = {
        "temperature": _number,
        "max_tokens": _number,
        "n": _of(1, 2, 128),
        "user": _text,
        "stop": _several(_text, 3),
        "seed": _number,
        "metadata": _labels,
    }
    params = {name: make(chance) for name, make in known.items() if chance.random() < 0.5}
    return params if chance.random() < 0.8 else params | {_text(chance): some_json(chance)}


def _signals(chance: random.Random) -> dict[str, Any]:
    return {name: make(chance) for name, make in _SIGNALS.items() if chance.random() < 0.4}


def _share(chance: random.Random) -> float:
    """As the gateway gives it: with four decimals."""
    return chance.choice((0.0, 1.0, 0.5, 0.31, 0.6, 0.0001, 0.9999, round(chance.random(), 4), round(chance.random(), 4)))


_SIGNALS: Mapping[str, Make] = {
    **dict.fromkeys(("logprobs", "agreement", "self_reported"), _share),
    **dict.fromkeys(("schema_valid", "truncated", "refusal", "fallback"), _of(True, False)),
    "repairs": _of(0, 1, 2),
    "tool_errors": _of(0, 1, 7),
}


def _call(chance: random.Random) -> dict[str, Any]:
    arguments = chance.choice(('{"id": "1"}', "{}", "not json", '{"amount": 1000000, "to": "DE89370400440532013000"}', '{"a": [1, 2.50, null]}', ""))
    return {"id": "call_1", "type": "function", "function": {"name": chance.choice(TOOLS), "arguments": arguments}}


def _finding(*origins: str) -> Make:
    where = _of("messages[0].content", "messages[12].content", "metadata", "tools[1].function.description", "answer.text")
    return _object({"category": _of(*CATEGORIES), "count": _of(1, 2, 40, 100_000), "where": where, "origin": _of("caller", *origins)})


_approval = _object(
    {
        "id": _of("apr_1", "apr_2"),
        "hook": _of("intent", "answer"),
        "by": _of("key_1", "key_2", "key_3", "gateway.expiry"),
        "name": _of("Ada", "größe", ""),
        "roles": lambda chance: chance.sample(("reviewer", "treasurer", "lead", "director", "größe"), chance.randrange(4)),
        "teams": lambda chance: chance.sample(("support", "treasury", ""), chance.randrange(3)),
        "mode": _of("approve", "review", "answer"),
        "action": _of("accept", "edit", "answer"),
        "at": _of("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"),
        "scope_sha256": _of("a" * 64, "b" * 64),
        "policy_revision": _of("d" * 64, "e" * 64),
        "expires_at": _of("2026-01-02T00:00:00Z"),
    }
)
_TIMES = ("2026-01-01T00:00:00Z", "2026-02-28T23:59:59.999999+00:00", "2024-02-29T12:00:00.5+05:30", "1999-12-31T23:59:59-11:00", "not a time")
_SUBJECT = _object(
    {
        "id": _of("key_1", "key_2", "größe"),
        "kind": _of("key", "user", "agent"),
        "tenant": _of("acme", "globex", "initech", "ACME"),
        "teams": lambda chance: chance.sample(("support", "research", "sales", "größe", ""), chance.randrange(4)),
        "roles": lambda chance: chance.sample(("user", "admin", "approver", "operator"), chance.randrange(3)),
        "on_behalf_of": _of(None, "user_7"),
    }
)
_ROUTES = _of("assistant", "assistant-large", "extract", "triage", "payments", "openai", "anthropic", "local", "elsewhere")
_COMMON: Mapping[str, Make] = {
    "schema": _of("gateway.input/v1"),
    "subject": _SUBJECT,
    "versions": _object({"config": _of("c" * 64, ""), "policy": _of("d" * 64)}),
    "approvals": lambda chance: [_approval(chance) for _ in range(chance.choice((0, 0, 1, 1, 2, 3)))],
    "time": _of(*_TIMES),
    "trace_id": _of("0af7651916cd43dd8448eb211c80319c"),
    "attempt": _of(0, 1, 5),
}
_WHICH: Mapping[str, Make] = {
    "id": _of("i1", "i2"),
    "parent_id": _of(None, "i0"),
    "root_id": _of("i0", "i1"),
    "depth": _of(0, 1, 9),
    "surface": _of("chat", "embeddings"),
    "name": _of(None, "nightly"),
    "labels": _labels,
}
_INTENT: Mapping[str, Make] = {
    **_COMMON,
    "hook": _of("intent"),
    "intent": _object({**_WHICH, "idempotency_key": _of(None, "k1")}),
    "request": _object(
        {
            "route": _ROUTES,
            "stream": _of(True, False),
            "params": _params,
            "messages": _several(_message, 4),
            "tools": _several(_tool, 3),
            "tokens_estimate": _of(0, 1, 999, 8_000, 128_000, 10**9),
            "cost_estimate_microusd": _of(0, 1, 999_999, 1_000_000, 1_000_001, 10**12),
            "unscanned": _several(_object({"where": _of("messages[0].content[1]"), "kind": _of("image", "audio", "file", "tokens")}), 2),
        }
    ),
    "findings": _several(_finding("tool", "person"), 4),
}
_ANSWER: Mapping[str, Make] = {
    **_COMMON,
    "hook": _of("answer"),
    "intent": _object(_WHICH),
    "request": _object({"route": _ROUTES, "stream": _of(True, False)}),
    "findings": _several(_finding("model", "person"), 4),
    "answer": _object(
        {
            "source": _of("model", "gateway", "person"),
            "author": _of("simulated-1", "last_resort", "größe"),
            "text": lambda chance: " ".join(_text(chance) for _ in range(chance.randrange(8))),
            "finish_reason": _of("stop", "length", "tool_calls", None),
            "tool_calls": _several(_call, 3),
            "schema_valid": _of(True, False, None),
            "repairs": _of(0, 1, 2),
            "fallback": _of(True, False),
            "confidence": lambda chance: None if chance.random() < 0.3 else _share(chance),
            "signals": _signals,
        }
    ),
    "intent_verdict": _object(
        {
            "outcome": _of("allow", "allow", "deny"),
            "reasons": _several(_object({"rule": _of("a.b"), "message": _text}), 2),
            "obligations": _object({"labels": _labels, "reveal": _of({}, {"model": ["IP_ADDRESS"]}), "max_tokens": _of(None, 512)}),
        }
    ),
}
