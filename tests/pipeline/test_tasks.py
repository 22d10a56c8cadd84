"""Which tasks a reviewer sees, and what stands in the way of moving one."""

from __future__ import annotations

import time
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.domain import Subject
from gateway.domain_tasks import TaskState
from gateway.errors import Forbidden
from gateway.infrastructure.database_tasks import ApprovalRow, TaskRow
from gateway.pipeline.services import Services
from gateway.pipeline.tasks import check_distinct, conflict, queues_of, state_of

NOW = time.time_ns()
HOUR = 3_600_000_000_000
_TASK: dict[str, Any] = dict.fromkeys(TaskRow._fields, "") | {
    "id": "tsk_1",
    "state": "open",
    "requester": "k1",
    "requester_name": "Ada Example",
    "expires_ns": NOW + HOUR,
    "distinct_from": "[]",
    "claimed_by": None,
    "claimed_name": None,
    "claimed_until_ns": None,
}


def task(**changes: object) -> TaskRow:
    return TaskRow(**{**_TASK, **changes})


def person(key_id: str = "k2", name: str = "Bob Example", *, teams: tuple[str, ...] = (), roles: tuple[str, ...] = ("reviewer",)) -> Subject:
    return Subject(id=key_id, kind="key", tenant="acme", name=name, teams=teams, roles=roles)


def approval(task_id: str, by: str, name: str) -> ApprovalRow:
    empty: dict[str, Any] = dict.fromkeys(ApprovalRow._fields)
    return ApprovalRow(**{**empty, "task_id": task_id, "by": by, "name": name})


def services(**queues: frozenset[str]) -> Services:
    return cast("Services", SimpleNamespace(queues={name: SimpleNamespace(teams=teams) for name, teams in queues.items()}))


@pytest.mark.parametrize(
    ("teams", "seen"),
    [
        ((), {"open"}),
        (("payments",), {"open", "payments", "both"}),
        (("risk", "other"), {"open", "both"}),
        (("Payments",), {"open"}),
    ],
)
def test_queues_with_teams_are_there_for_these_alone(teams: tuple[str, ...], seen: set[str]) -> None:
    queues = services(open=frozenset(), payments=frozenset({"payments"}), both=frozenset({"payments", "risk"}))
    assert queues_of(queues, person(teams=teams)) == seen


def test_without_the_role_there_are_none() -> None:
    with pytest.raises(Forbidden, match="role reviewer"):
        queues_of(services(open=frozenset()), person(roles=("operator", "auditor")))


@pytest.mark.parametrize(
    ("distinct_from", "who", "kept_away"),
    [
        ("[]", person("k1", "Ada Example"), False),
        ('["requester"]', person("k1", ""), True),
        ('["requester"]', person("k9", "ADA example"), True),
        ('["requester"]', person(), False),
        ('["reviewers"]', person("k1", "Ada Example"), False),
        ('["reviewers"]', person("k3", "Eve Example"), True),
        ('["reviewers"]', person("k9", "eve example"), True),
        ('["reviewers"]', person("k4", ""), False),
        ('["requester","reviewers"]', person("k3", "Eve Example"), True),
    ],
)
def test_whom_policy_keeps_away_is_known_by_key_and_by_name_and_must_not_decide(distinct_from: str, who: Subject, kept_away: bool) -> None:
    approvals = [approval("tsk_0", "k3", "Eve Example"), approval("tsk_0", "k5", ""), approval("tsk_1", "k4", "Dan Example")]
    with pytest.raises(Forbidden, match="policy wants another person") if kept_away else nullcontext():
        check_distinct(who, task(distinct_from=distinct_from), approvals)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, TaskState.OPEN),
        ({"state": "claimed", "claimed_until_ns": NOW + 1}, TaskState.CLAIMED),
        ({"state": "claimed", "claimed_until_ns": NOW}, TaskState.OPEN),
        ({"state": "decided", "claimed_until_ns": NOW + 1}, TaskState.DECIDED),
    ],
)
def test_a_claim_whose_time_is_over_is_none(changes: dict[str, object], state: TaskState) -> None:
    assert state_of(task(**changes), NOW) is state


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "claimed", "claimed_by": "k1", "claimed_name": "Ada Example", "claimed_until_ns": 60_000_000_000 + HOUR}, "changed meanwhile"),
        ({"state": "claimed", "claimed_by": "k1", "claimed_name": "Ada Example", "claimed_until_ns": NOW + HOUR}, "Ada Example works on this task until 20"),
        ({"state": "claimed", "claimed_by": "k1", "claimed_name": "", "claimed_until_ns": NOW + HOUR}, "k1 works on this task"),
        ({"state": "claimed", "claimed_by": "k2", "claimed_name": "Bob Example", "claimed_until_ns": NOW + HOUR}, "changed meanwhile"),
        ({"state": "decided"}, "is decided: there is nothing left"),
        ({"state": "cancelled"}, "is cancelled"),
        ({"expires_ns": NOW}, "time for this task is over"),
    ],
)
def test_what_stands_in_the_way_is_said(changes: dict[str, object], words: str) -> None:
    assert words in conflict(person(), task(**changes), NOW).message
