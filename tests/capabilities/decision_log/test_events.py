"""Entries of real records as events, of the form that a real OPA gives them."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.decision_log.events import decision_id, events_of, timestamp
from gateway.capabilities.records.rows import parse_body
from gateway.domain import Json
from gateway.infrastructure.database_ledger import EntryRow
from gateway.testing import LocalGateway, local_gateway
from tests.capabilities.decision_log.real_opa import logged
from tests.pipeline.rego import intent_says


async def rows(local: LocalGateway) -> list[EntryRow]:
    with local.gateway.database.read() as connection:
        found = connection.exec_driver_sql("SELECT * FROM entries WHERE kind IN ('opened', 'closed') ORDER BY writer, seq").fetchall()
    return [EntryRow(*row) for row in found]


async def events(local: LocalGateway) -> list[Json]:
    found = await rows(local)
    begins = {row.intent_id: (parse_body(row.body) or {})["facts"] for row in found if row.kind == "opened"}
    return [event for row in found for event in events_of(row, lambda row: begins[row.intent_id])]


async def test_each_decision_is_one_event(tmp_path: Path) -> None:
    async with local_gateway(tmp_path) as local:
        assert (await local.ask("hello")).status == 200
        first, second = await events(local)
        opened, closed = await rows(local)
    assert [first["path"], second["path"]] == ["gateway/intent/verdict", "gateway/answer/verdict"]
    assert first["result"] == {"outcome": "allow", "reasons": [], "obligations": first["result"]["obligations"]}
    assert first["input"] == {}
    assert first["trace_id"] == second["trace_id"]
    assert re.fullmatch(r"[0-9a-f]{32}", first["trace_id"])
    assert first["requested_by"] == second["requested_by"] != ""
    assert first["labels"] == {"id": opened.writer, "version": first["labels"]["version"], "tenant": "acme"} == second["labels"]
    assert re.fullmatch(r"[0-9a-f]{64}", first["bundles"]["gateway"]["revision"])
    assert first["decision_id"] == decision_id("acme", opened.intent_id, "intent", 0) != second["decision_id"]
    assert closed.intent_id == opened.intent_id


async def test_what_was_refused_is_told_with_its_reasons_and_nothing_else_is_told(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=intent_says({"outcome": "deny", "reasons": [{"rule": "no", "message": "not now"}]})) as local:
        assert (await local.ask("hello")).status == 403
        (event,) = await events(local)
    assert event["result"]["outcome"] == "deny"
    assert event["result"]["reasons"] == [{"rule": "no", "message": "not now"}]


async def test_several_choices_are_decisions_of_their_own(tmp_path: Path) -> None:
    async with local_gateway(tmp_path) as local:
        assert (await local.ask("hello", n=2)).status == 200
        found = await events(local)
    assert [event["path"].split("/")[1] for event in found] == ["intent", "answer", "answer"]
    assert len({event["decision_id"] for event in found}) == 3


async def test_an_erased_entry_is_an_event_without_input_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    async with local_gateway(tmp_path) as local:
        assert (await local.ask("hello")).status == 200
        row = (await rows(local))[0]
    (erased,) = events_of(row._replace(content=None, salt=None), lambda _: {})
    assert "input" not in erased
    assert erased["result"]["outcome"] == "allow"
    (odd,) = events_of(row._replace(content=b"not json"), lambda _: {})
    assert "input" not in odd
    assert events_of(row._replace(body=b"{}"), lambda _: {}) == []
    assert events_of(row._replace(kind="erased"), lambda _: {}) == []


def entry(kind: str, seq: int, *decided: tuple[str, str]) -> EntryRow:
    """An entry of an intent that waited for people; its decisions by hook and outcome."""
    decisions = [{"hook": hook, "outcome": outcome, "reasons": [], "obligations": {}} for hook, outcome in decided]
    facts: Json = {"decision": decisions[0]} if kind == "opened" else {"decisions": decisions}
    content = {"decision_inputs": [{"hook": hook, "n": seq} for hook, _ in decided]} if kind != "opened" else {"decision_input": {"hook": "intent", "n": seq}}
    body = {"tenant": "acme", "writer": "w", "seq": seq, "intent_id": "i", "kind": kind, "at_ns": seq, "digests": {}, "expires_ns": None, "facts": facts}
    return EntryRow("acme", "w", seq, "i", kind, None, None, orjson.dumps(body), b"", b"salt", orjson.dumps(content), None)


def test_an_intent_that_waited_for_people_has_an_event_for_each_time_that_it_was_asked_about() -> None:
    entries = [
        entry("opened", 1, ("intent", "escalate")),
        entry("parked", 2),
        entry("parked", 4, ("intent", "allow"), ("answer", "escalate")),
        entry("parked", 6, ("intent", "allow"), ("answer", "escalate")),
        entry("closed", 8, ("intent", "allow"), ("answer", "allow")),
    ]
    found = [event for row in entries for event in events_of(row, lambda _: {})]
    assert [(event["path"].split("/")[1], event["result"]["outcome"], event["input"]["n"]) for event in found] == [
        ("intent", "escalate", 1), ("intent", "allow", 4), ("answer", "escalate", 4), ("intent", "allow", 6), ("answer", "escalate", 6), ("intent", "allow", 8),
        ("answer", "allow", 8),
    ]  # fmt: skip
    assert all(event["input"]["hook"] == event["path"].split("/")[1] for event in found)
    assert len({event["decision_id"] for event in found}) == 7
    assert [event["decision_id"] for row in entries for event in events_of(row, lambda _: {})] == [event["decision_id"] for event in found]


JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), lambda each: st.lists(each, max_size=3) | st.dictionaries(
    st.sampled_from(["decision", "decisions", "hook", "subject", "versions", "duration_ns", "reasons", "decision_input", "decision_inputs"]), each, max_size=5
), max_leaves=20)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["decision", "decisions", "subject", "versions", "trace_id"]), JSON, max_size=4),
    JSON,
    st.sampled_from(["opened", "parked", "closed"]),
)
def test_whatever_a_damaged_entry_says_is_events_or_one_of_three_errors(facts: Json, content: Any, kind: str) -> None:
    names = ("tenant", "writer", "seq", "intent_id", "kind", "expires_ns", "at_ns", "digests")
    body = orjson.dumps({**dict.fromkeys(names, 0), "digests": {}, "facts": facts})
    row = EntryRow("acme", "w", 0, "i", kind, None, None, body, b"", None, orjson.dumps(content), None)
    try:
        found = events_of(row, lambda _: facts)
    except (AttributeError, TypeError, ValueError):
        return
    assert all(event["decision_id"] and event["path"].endswith("/verdict") for event in found)


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_a_timestamp_is_rfc_3339_and_loses_nothing(at_ns: int) -> None:
    written = timestamp(at_ns)
    whole, _, fraction = written.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    assert seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0) == at_ns


def kinds(value: Any) -> Any:
    return {name: kinds(item) for name, item in value.items()} if isinstance(value, dict) else type(value).__name__


@pytest.mark.services
async def test_an_event_has_the_keys_and_types_of_a_real_opas(tmp_path: Path) -> None:
    policy = {"p.rego": 'package gateway.intent\n\nverdict := {"outcome": "allow"}\n'}
    (real,) = await asyncio.to_thread(logged, tmp_path, policy, [{"n": 1}])
    async with local_gateway(tmp_path) as local:
        assert (await local.ask("hello")).status == 200
        ours = (await events(local))[0]
    common = set(real) - {"req_id"}
    assert common <= set(ours)
    assert set(ours) - common <= {"trace_id", "bundles", "requested_by"}  # real ones have these where OPA traces, has bundles, and logs requests
    for name in common - {"labels", "metrics", "result", "input"}:
        assert kinds(ours[name]) == kinds(real[name]), name
    for name in ("labels", "metrics", "input", "result"):
        assert isinstance(ours[name], dict)
        assert isinstance(real[name], dict)
    assert set(real["labels"]) <= set(ours["labels"])
    assert {"timer_server_handler_ns", "timer_rego_query_eval_ns"} <= set(real["metrics"]) & set(ours["metrics"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", real["timestamp"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", ours["timestamp"])
