"""The whole of an intent from its record."""

from __future__ import annotations

from gateway.capabilities.records.explanation import explanation
from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.domain import Json
from tests.capabilities.records.test_holds import held

MS = 1_000_000
BEGIN: Json = {
    "subject": {"id": "key_1"},
    "surface": "chat",
    "route": "assistant",
    "target": "first",
    "trace_id": "ab" * 16,
    "findings": [{"category": "IBAN_CODE", "count": 2, "where": "messages[0].content", "origin": "caller"}],
    "decision": {"hook": "intent", "outcome": "allow", "reasons": [], "revision": "r", "duration_ns": 5, "obligations": {"reveal": {"record": ["IBAN_CODE"]}}},
}
END: Json = {
    "state": "completed",
    "attempts": [
        {"target": "second", "purpose": "fallback", "started_ns": 60 * MS, "ended_ns": 90 * MS, "first_token_ns": 70 * MS, "cost_microusd": 30},
        {"target": "first", "purpose": "first", "started_ns": 10 * MS, "ended_ns": 20 * MS, "error": "upstream.timeout", "cost_microusd": 12},
    ],
    "routing": [{"target": "first", "tier": 0, "skipped": None}, {"target": "third", "tier": 0, "skipped": "too_small"}],
    "passed_over": [{"target": "third", "reason": "busy"}],
    "redactions": {"EMAIL_ADDRESS": 1},
    "repairs": [{"kind": "asked", "target": "second", "failures": []}],
    "schema": {"valid": True},
    "confidence": [{"score": 0.5, "signals": {"agreement": 0.5}}],
    "last_resort": True,
    "steps": [["decide", 300], ["close", 200]],
}


def entry(kind: str, facts: Json, at_ns: int) -> RecordedEntry:
    return RecordedEntry(writer="w", seq=0, kind=kind, at_ns=at_ns, facts=facts, digests={}, salt=None, content=None)


def test_what_happened_is_told_in_the_order_of_time_with_waits_and_costs() -> None:
    record = Record(id="int_1", tenant="acme", state="completed", entries=(entry("opened", BEGIN, 5 * MS), entry("closed", END, 105 * MS)))
    told = explanation(record, link="https://jaeger.example.com/trace/{trace_id}")
    assert told["trace"] == {"id": "ab" * 16, "link": f"https://jaeger.example.com/trace/{'ab' * 16}"}
    assert [(one["target"], one["waited_ms"], one["duration_ms"], one["first_token_ms"]) for one in told["attempts"]] == [
        ("first", None, 10.0, None),
        ("second", 40.0, 30.0, 10.0),
    ]
    assert (told["cost_microusd"], told["duration_ms"], told["last_resort"]) == (42, 100.0, True)
    assert told["routing"] == {"targets": END["routing"], "passed_over": END["passed_over"]}
    assert told["steps"] == [{"name": "decide", "duration_ns": 300}, {"name": "close", "duration_ns": 200}]
    assert (told["decisions"][0]["hook"], told["decisions"][0]["engine"], told["decisions"][0]["choice"]) == ("intent", "embedded", None)
    assert (told["findings"]["request"][0]["count"], told["redactions"]) == (2, {"model": {"IBAN_CODE": 2}, "caller": {"EMAIL_ADDRESS": 1}, "record": {}})


def test_secrets_are_hidden_whatever_is_granted_and_a_refused_intent_hid_nothing_from_models() -> None:
    findings = [{"category": name, "count": 1, "where": "messages[0].content", "origin": "caller"} for name in ("SECRET", "IP_ADDRESS")]
    for outcome, seen in (("allow", {"SECRET": 1}), ("deny", {})):
        decision = {"hook": "intent", "outcome": outcome, "obligations": {"reveal": {"model": ["*"]}}}
        opened = entry("opened", {"findings": findings, "decision": decision}, 1)
        told = explanation(Record(id="int_1", tenant="acme", state="completed", entries=(opened,)))
        assert told["redactions"] == {"model": seen, "caller": {}, "record": {"SECRET": 1, "IP_ADDRESS": 1}}


def test_what_an_open_or_bare_record_does_not_have_is_empty() -> None:
    told = explanation(Record(id="int_1", tenant="acme", state="running", entries=(entry("opened", {}, 1),)))
    assert (told["attempts"], told["cost_microusd"], told["duration_ms"], told["decisions"]) == ([], None, None, [])
    assert (told["trace"], told["routing"]) == ({"id": None, "link": None}, {"targets": [], "passed_over": []})
    assert explanation(Record(id="int_1", tenant="acme", state="running", entries=(entry("other", {}, 1),)))["started_ns"] is None


def test_an_intent_that_waited_is_told_as_one() -> None:
    tried = {"target": "first", "started_ns": 10 * MS, "ended_ns": 20 * MS, "cost_microusd": 12}
    later = {"target": "second", "started_ns": 5_000 * MS, "ended_ns": 5_010 * MS, "cost_microusd": 5}
    found = [{"category": "EMAIL_ADDRESS", "count": 1, "where": "choices[0]", "origin": "model"}]
    parked = held("parked", 30, attempts=[tried], findings=found, steps=[["inspect", 1]], decisions=[{"hook": "answer", "outcome": "escalate"}])
    people = [{"id": "apr_1", "by": "key_2", "name": "Ann Smith", "mode": "review", "action": "accept"}]
    end = {
        "state": "completed",
        "attempts": [tried, later],
        "decisions": [{"hook": "intent", "outcome": "allow"}],
        "approvals": people,
        "steps": [["close", 2]],
    }
    opened = RecordedEntry(writer="w", seq=1, kind="opened", at_ns=0, facts=BEGIN, digests={}, salt=None, content=None)
    entries = (opened, parked, held("decided", 4_000), held("resumed", 4_030))
    waits = explanation(Record(id="i", tenant="acme", state="parked", entries=entries[:2]))
    assert ([hold["waited_ms"] for hold in waits["holds"]], waits["findings"]["answer"], waits["cost_microusd"], waits["ended_ns"]) == ([None], found, 12, None)
    told = explanation(Record(id="i", tenant="acme", state="completed", entries=(*entries, entry("closed", end, 5_020 * MS))))
    assert [hold["waited_ms"] for hold in told["holds"]] == [4_000.0]
    assert [one["name"] for one in told["holds"][0]["decided"]] == ["Ann Smith"]
    assert (told["approvals"], told["joined"], told["cost_microusd"]) == (people, None, 17)
    assert [one["target"] for one in told["attempts"]] == ["first", "second"]
    assert [(one["hook"], one["outcome"]) for one in told["decisions"]] == [("intent", "allow"), ("answer", "escalate"), ("intent", "allow")]
    assert [step["name"] if isinstance(step, dict) else step[0] for step in told["steps"]] == ["inspect", "close"]


def test_an_ordinary_intent_was_never_held() -> None:
    told = explanation(Record(id="i", tenant="acme", state="running", entries=()))
    assert (told["holds"], told["approvals"], told["joined"], told["attempts"]) == ([], [], None, [])
