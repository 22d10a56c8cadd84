"""From an entry of a record to the events of OPA's decision log: one for each decision of policy that it tells of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

from gateway.capabilities.policy.contract import VERDICT_RULES
from gateway.capabilities.records.entries import CLOSED, OPENED, PARKED
from gateway.capabilities.records.rows import parse_body
from gateway.domain import Hook, Json
from gateway.infrastructure.database_ledger import EntryRow

_NAMESPACE: Final = UUID("6d1f6f0b-6a0e-5a52-9f0e-1c1a7a1c9d55")
"""Of the decisions' ids: drawn once, and never to change, so that an event that is delivered twice has one id."""
BUNDLE: Final = "gateway"
"""The name that the policy has among an event's bundles."""


def events_of(row: EntryRow, opened: Callable[[EntryRow], Json]) -> list[Json]:
    """The events of one entry, none where policy decided nothing. ``opened`` gives the facts of the entry that opened the same intent."""
    body = parse_body(row.body)
    if body is None or row.kind not in {OPENED, PARKED, CLOSED}:
        return []
    decisions = list(_decisions(row.kind, body["facts"]))
    if not decisions:
        return []
    begin = body["facts"] if row.kind == OPENED else opened(row)
    inputs = _inputs(row, len(decisions))
    again = row.kind == PARKED or (row.kind == CLOSED and _hook(decisions[0]) is Hook.INTENT)
    entry = f"/{row.writer}/{row.seq}" if again else ""
    ids = [decision_id(row.tenant, row.intent_id, f"{_hook(decision).value}{entry}", at) for at, decision in enumerate(decisions)]
    return [_event(row, begin, body["at_ns"], ids[at], decision, inputs[at]) for at, decision in enumerate(decisions)]


def decision_id(tenant: str, intent_id: str, hook: str, choice: int) -> str:
    """The id of a decision: the same whenever it is told. Where an intent waited for people, and was asked about anew, ``hook`` has its entry, too."""
    return str(uuid5(_NAMESPACE, f"{tenant}/{intent_id}/{hook}/{choice}"))


def timestamp(at_ns: int) -> str:
    """A time as OPA writes it: RFC 3339, with nanoseconds, in UTC."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _decisions(kind: str, facts: Json) -> Iterator[Json]:
    found = None if kind == OPENED else facts.get("decisions")
    for decision in found or [facts.get("decision")]:
        if isinstance(decision, dict):
            yield decision


def _inputs(row: EntryRow, count: int) -> list[Any]:
    """The inputs that were decided, ``None`` for those that were erased or never kept."""
    content: Any = None
    if row.content:
        try:
            content = orjson.loads(row.content)
        except ValueError:
            content = None
    if not isinstance(content, dict):
        return [None] * count
    found = content.get("decision_inputs") or [content.get("decision_input")]
    return [found[at] if at < len(found) else None for at in range(count)]


def _hook(decision: Json) -> Hook:
    return Hook(str(decision.get("hook") or Hook.INTENT))


def _event(row: EntryRow, begin: Json, at_ns: int, event_id: str, decision: Json, asked: Any) -> Json:
    subject, versions = begin.get("subject") or {}, begin.get("versions") or {}
    event: Json = {
        "labels": {"id": row.writer, "version": str(versions.get("code") or ""), "tenant": row.tenant},
        "decision_id": event_id,
        "path": VERDICT_RULES[_hook(decision)].removeprefix("data.").replace(".", "/"),
        "result": {name: decision.get(name) for name in ("outcome", "reasons", "obligations")},
        "requested_by": str(subject.get("id") or ""),
        "timestamp": timestamp(at_ns),
        "metrics": _metrics(decision),
    }
    if begin.get("trace_id"):
        event["trace_id"] = begin["trace_id"]
    if decision.get("revision"):
        event["bundles"] = {BUNDLE: {"revision": decision["revision"]}}
    if asked is not None:
        event["input"] = asked
    return event


def _metrics(decision: Json) -> Json:
    took, memoised = int(decision.get("duration_ns") or 0), bool(decision.get("memoised"))
    metrics: Json = {"timer_server_handler_ns": took, "counter_gateway_memo_hit": int(memoised)}
    return metrics if memoised else metrics | {"timer_rego_query_eval_ns": took}
