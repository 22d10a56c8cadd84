from __future__ import annotations

from typing import Any

import pytest

from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.capabilities.records.timeline import draw

DECISION = {"hook": "intent", "outcome": "allow", "reasons": [{"rule": "routes.team", "message": "support may use it"}], "revision": "f" * 64}

OBLIGATIONS = {
    "reveal": {"model": ["EMAIL_ADDRESS", "IP_ADDRESS"], "caller": []},
    "allow_unscanned": False,
    "routes": ["assistant"],
    "max_tokens": 512,
    "retention_days": None,
    "labels": {"team": "support"},
}


def entry(kind: str, at_ns: int, facts: dict[str, Any], *, erased: bool = False) -> RecordedEntry:
    return RecordedEntry(writer="w1", seq=1, kind=kind, at_ns=at_ns, facts=facts, digests={"content": "x"}, salt=None if erased else b"s", content=None)


def record(*entries: RecordedEntry) -> Record:
    return Record(id="int_1", tenant="acme", state="completed", entries=entries)


def test_the_timeline_tells_what_happened_when_and_why() -> None:
    begin = 1_700_000_000_000_000_000
    opened = {
        "subject": {"id": "k1", "kind": "key", "teams": ["support"], "roles": []},
        "surface": "chat",
        "route": "assistant",
        "target": "simulated",
        "stream": True,
        "stream_mode": "pass",
        "trace_id": "abc",
        "versions": {"config": "c" * 64, "code": "0.1.0"},
        "findings": [{"category": "EMAIL_ADDRESS", "count": 2, "where": "messages[0].content", "origin": "caller"}],
        "unscanned": [{"where": "messages[1]", "kind": "image"}],
        "decision": {**DECISION, "engine": "opa", "memoised": True, "duration_ns": 12_000, "obligations": OBLIGATIONS},
    }
    attempt = {
        "target": "simulated",
        "model": "simulated-1",
        "started_ns": begin + 1_000_000,
        "ended_ns": begin + 31_000_000,
        "first_token_ns": begin + 11_000_000,
        "status": 200,
        "finish_reason": "stop",
        "usage": {"input_tokens": 12, "output_tokens": 34, "estimated": True},
        "cost_microusd": 22,
        "error": None,
    }
    closed = {
        "state": "completed",
        "http_status": 200,
        "attempts": [attempt],
        "decision": {**DECISION, "hook": "answer"},
        "redactions": {"EMAIL_ADDRESS": 2},
        "findings": [],
        "steps": [["identify", 10_000], ["attempt", 30_000_000]],
    }
    lines = list(draw(record(entry("opened", begin, opened), entry("closed", begin + 40_000_000, closed), entry("erased", begin + 10**15, {"why": "request"}))))
    pad = " " * 25
    assert lines == [
        "int_1  completed",
        "  tenant    acme",
        "  subject   key k1  teams support",
        "  route     assistant → simulated",
        "  trace     abc",
        "  versions  config cccccccccccc, code 0.1.0",
        "",
        "      +0.0 ms  opened    2023-11-14T22:13:20.000Z  chat, stream, pass",
        f"{pad}found: 2 EMAIL_ADDRESS in messages[0].content",
        f"{pad}not scanned: messages[1] (image)",
        "               decided   intent: allow  (12 us, in OPA, from memory)",
        f"{pad}routes.team: support may use it",
        f"{pad}obliged: reveal: model EMAIL_ADDRESS IP_ADDRESS; routes: assistant; max_tokens: 512; labels: team support",
        f"{pad}policy: ffffffffffff",
        "      +1.0 ms  attempt   simulated  simulated-1  HTTP 200, stop",
        f"{pad}took: 30.0 ms, first token after 10.0 ms",
        f"{pad}tokens: 12 in, 34 out (estimated)",
        f"{pad}cost: 22 micro-USD",
        "               decided   answer: allow",
        f"{pad}routes.team: support may use it",
        f"{pad}policy: ffffffffffff",
        "     +40.0 ms  closed    completed  HTTP 200",
        f"{pad}redacted: EMAIL_ADDRESS 2",
        f"{pad}steps: identify 0.01 ms, attempt 30.00 ms",
        "               erased    2023-11-26T12:00:00.000Z  request",
    ]


def attempt(purpose: str, target: str, started_ms: int, ended_ms: int, **more: Any) -> dict[str, Any]:
    return {"purpose": purpose, "target": target, "model": "m", "started_ns": started_ms * 1_000_000, "ended_ns": ended_ms * 1_000_000, **more}


def test_the_timeline_tells_every_attempt_and_how_the_answer_came_to_be_trusted_or_not() -> None:
    closed = {
        "state": "refused",
        "reason": "answer.confidence",
        "http_status": 403,
        "routing": [
            {"target": "eu", "tier": 1, "skipped": "when.labels"},
            {"target": "one", "tier": 1, "skipped": None},
            {"target": "two", "tier": 2, "skipped": None},
        ],
        "passed_over": [{"target": "three", "reason": "breaker.open"}],
        "attempts": [
            attempt("first", "one", 1, 21, status=503, error="upstream.unavailable"),
            attempt("fallback", "two", 551, 601, status=200, finish_reason="stop", cost_microusd=5),
            attempt("retry", "one", 271, 551, error="upstream.timeout"),
            attempt("repair", "two", 601, 650, status=200, finish_reason="stop", cost_microusd=8),
        ],
        "repairs": [
            {"kind": "asked", "target": "two", "failures": [{"where": "/properties/items/minItems", "keyword": "minItems"}, {"where": "", "keyword": "json"}]},
            {"kind": "extracted", "target": "two", "failures": []},
        ],
        "schema": {"digests": ["d" * 64], "valid": False, "failures": [{"where": "/required", "keyword": "required"}]},
        "confidence": [{"score": 0.31, "signals": {"logprobs": 0.2200189651799465, "repairs": 1, "truncated": True}}, {"score": None, "signals": {}}],
        "last_resort": True,
    }
    lines = list(draw(record(entry("closed", 700_000_000, closed), entry("opened", 0, {}))))
    begin = lines.index(next(line for line in lines if "routed" in line))
    pad, none = " " * 25, " " * 13
    assert lines[begin : lines.index(next(line for line in lines if "  closed  " in line))] == [
        f"{none}  routed    one → two",
        f"{pad}skipped: eu (when.labels)",
        f"{pad}passed over: three (breaker.open)",
        "    -699.0 ms  attempt   first  one  m  HTTP 503, upstream.unavailable",
        f"{pad}took: 20.0 ms",
        "    -429.0 ms  attempt   retry  one  m  upstream.timeout",
        f"{pad}took: 280.0 ms",
        f"{pad}waited: 250.0 ms before it",
        "    -149.0 ms  attempt   fallback  two  m  HTTP 200, stop",
        f"{pad}took: 50.0 ms",
        f"{pad}cost: 5 micro-USD",
        "     -99.0 ms  attempt   repair  two  m  HTTP 200, stop",
        f"{pad}took: 49.0 ms",
        f"{pad}cost: 8 micro-USD",
        f"{none}  together  4 attempts, 13 micro-USD",
        f"{none}  repaired  the model was asked again and told where:  two",
        f"{pad}it broke: /properties/items/minItems  minItems",
        f"{pad}it broke: the whole  json",
        f"{none}  repaired  JSON taken out of the text around it, without a call:  two",
        f"{none}  checked   breaks its schema",
        f"{pad}at: /required  required",
        f"{none}  assessed  confidence 0.31",
        f"{pad}signals: logprobs 0.22, repairs 1, truncated True",
        f"{none}  assessed  no signal, no confidence",
        f"{none}  answered  the route's last resort: no target gave a usable answer",
    ]


@pytest.mark.parametrize("odd", [None, "odd", 3, [], ["odd"], [None], {}, [{}], [{"failures": "odd", "signals": "odd", "started_ns": "odd"}]])
@pytest.mark.parametrize("name", ["routing", "passed_over", "attempts", "repairs", "schema", "confidence"])
def test_what_is_odd_in_the_facts_of_attempts_is_borne(name: str, odd: Any) -> None:
    assert any("  closed  " in line for line in draw(record(entry("closed", 5, {name: odd, "state": "completed"}))))


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"subject": None, "findings": None, "decision": None, "attempts": None, "versions": None, "steps": None},
        {"subject": "odd", "findings": ["odd"], "decision": {"obligations": "odd"}, "attempts": [{}], "versions": 3, "redactions": [], "timing": {"a": "odd"}},
    ],
)
def test_facts_that_are_missing_or_odd_are_left_out(facts: dict[str, Any]) -> None:
    lines = list(draw(record(*(entry(kind, 5, facts, erased=True) for kind in ("opened", "closed", "erased", "corrected", "parked")))))
    assert lines[0] == "int_1  completed"
    assert sum("content erased" in line for line in lines) == 5
