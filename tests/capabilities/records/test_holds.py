"""How an intent waited for people, from its record."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.capabilities.records.holds import holds, new_attempts
from gateway.capabilities.records.store import Record, RecordedEntry
from tests.capabilities.records.conftest import FACTS

MS = 1_000_000


def entry(kind: str, at_ms: int, facts: dict[str, Any], content: Any = None) -> RecordedEntry:
    return RecordedEntry(writer="w", seq=at_ms, kind=kind, at_ns=at_ms * MS, facts=facts, digests={}, salt=None, content=content)


def held(kind: str, at_ms: int, task: str | None = "tsk_1", **facts: Any) -> RecordedEntry:
    return entry(kind, at_ms, {**FACTS[kind], "task": task, **facts})


def record(*entries: RecordedEntry) -> Record:
    return Record(id="int_1", tenant="acme", state="completed", entries=entries)


OPENED = entry("opened", 0, {})
TWICE = record(
    OPENED,
    held("parked", 1),
    held("decided", 11, complete=False),
    held("decided", 21, by="key_3", name="Bo", action="refuse"),
    held("resumed", 31),
    held("parked", 41, "tsk_2", hook="answer", mode="review"),
    held("decided", 51, "tsk_2", action="edit"),
    held("resumed", 1_041, "tsk_2", why="decided"),
    entry("closed", 1_100, {"state": "completed"}),
)


def test_each_time_it_waited_is_told_with_who_decided() -> None:
    first, second = holds(TWICE)
    assert [(one["name"], one["action"], one["complete"], one["at_ns"]) for one in first["decided"]] == [
        ("Ann Smith", "accept", False, 11 * MS),
        ("Bo", "refuse", True, 21 * MS),
    ]
    assert (first["task"], first["queue"], first["waited_ms"], first["ended"]) == ("tsk_1", "approvals", 30.0, None)
    assert first["why"] == [{"rule": "payments.person", "message": "a person has to agree"}]
    assert first["resumed"] == {"at_ns": 31 * MS, "why": "decided", "approvals": ["apr_1"], "trace_id": "1" * 32}
    assert (second["hook"], second["mode"], second["waited_ms"], len(second["decided"])) == ("answer", "review", 1_000.0, 1)


def test_one_that_still_waits_has_waited_for_no_known_time() -> None:
    (hold,) = holds(record(OPENED, held("parked", 1)))
    assert (hold["resumed"], hold["ended"], hold["waited_ms"], hold["decided"]) == (None, None, None, [])


def test_one_that_was_ended_while_it_waited_says_how() -> None:
    (hold,) = holds(record(OPENED, held("parked", 1), entry("closed", 6, {"state": "expired", "reason": "task.expired"})))
    assert (hold["ended"], hold["waited_ms"]) == ({"at_ns": 6 * MS, "state": "expired", "reason": "task.expired"}, 5.0)


def test_entries_that_name_no_task_belong_to_the_hold_at_their_place() -> None:
    first, second = holds(record(OPENED, held("parked", 1, None), held("resumed", 3, None), held("parked", 4, None)))
    assert (first["waited_ms"], second["waited_ms"]) == (2.0, None)


def test_an_attempt_that_two_entries_tell_of_is_one() -> None:
    tried = [{"target": "a", "started_ns": 1}, {"target": "b", "started_ns": 2}]
    more = {"target": "a", "started_ns": 9}
    found = list(new_attempts(record(OPENED, held("parked", 1, attempts=tried), entry("closed", 9, {"attempts": [*tried, more]}))))
    assert [(one.kind, told) for one, told in found] == [("parked", tried), ("closed", [more])]


@pytest.mark.parametrize("odd", [None, "odd", 3, [], ["odd"], {}, [{}]])
@pytest.mark.parametrize("name", ["reasons", "attempts", "task", "approvals", "by", "min_approvers"])
def test_odd_facts_are_borne(name: str, odd: Any) -> None:
    one = record(OPENED, *(held(kind, at, **{"task": "t", name: odd}) for at, kind in enumerate(("parked", "decided", "resumed"), 1)))
    assert len(holds(one)) == 1
    assert len(list(new_attempts(one))) == 1
