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
        "decision": {**DECISION, "memoised": True, "duration_ns": 12_000, "obligations": OBLIGATIONS},
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
        "               decided   intent: allow  (12 us, from memory)",
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
