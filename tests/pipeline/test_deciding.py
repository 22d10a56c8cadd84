from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.domain import Subject
from gateway.domain_tasks import Action
from gateway.errors import GatewayError, InvalidRequest
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.deciding import Decided, check

ADA = Subject(id="ada", kind="key", tenant="acme", name="Ada")


def task(**changes: Any) -> TaskRow:
    now_ns = time.time_ns()
    row: dict[str, Any] = {
        **dict.fromkeys(TaskRow._fields),
        "tenant": "acme",
        "id": "tsk_1",
        "mode": "review",
        "state": "open",
        "version": 3,
        "expires_ns": now_ns + 10**12,
        "min_approvers": 1,
    }
    return TaskRow(**{**row, **changes})


@pytest.mark.parametrize(
    ("changes", "decision", "code"),
    [
        ({}, Decided(action=Action.ACCEPT), None),
        ({}, Decided(action=Action.ACCEPT, version=3), None),
        ({}, Decided(action=Action.EDIT, content="better"), None),
        ({}, Decided(action=Action.ACCEPT, found=3), None),
        ({}, Decided(action=Action.ACCEPT, found=2), "task_changed"),
        ({}, Decided(action=Action.ACCEPT, version=3, found=2), "task_changed"),
        ({"claimed_by": "ada", "claimed_until_ns": 2**62}, Decided(action=Action.ACCEPT), None),
        ({"claimed_by": "eve", "claimed_until_ns": 1}, Decided(action=Action.ACCEPT), None),
        ({"claimed_by": "eve", "claimed_until_ns": 2**62}, Decided(action=Action.ACCEPT), "task_claimed"),
        ({"state": "decided"}, Decided(action=Action.ACCEPT), "task_closed"),
        ({"state": "expired"}, Decided(action=Action.REFUSE), "task_closed"),
        ({"state": "cancelled"}, Decided(action=Action.REFUSE), "task_closed"),
        ({"expires_ns": 1}, Decided(action=Action.ACCEPT), "task_closed"),
        ({}, Decided(action=Action.ACCEPT, version=2), "task_changed"),
        ({}, Decided(action=Action.ANSWER, content="mine"), "invalid_request"),
        ({"mode": "approve"}, Decided(action=Action.EDIT, content="mine"), "invalid_request"),
        ({}, Decided(action=Action.EDIT), "invalid_request"),
        ({}, Decided(action=Action.ACCEPT, content="mine"), "invalid_request"),
    ],
)
def test_a_decision_is_taken_for_the_task_as_it_is(changes: dict[str, Any], decision: Decided, code: str | None) -> None:
    said: str | None = None
    try:
        check(task(**changes), ADA, decision)
    except GatewayError as error:
        said = error.reason_code
    assert said == code


@pytest.mark.parametrize(
    ("mode", "persons", "decision", "blind"),
    [
        ("review", 2, Decided(action=Action.ACCEPT, found=3), True),
        ("answer", 2, Decided(action=Action.ACCEPT, found=3), True),
        ("review", 2, Decided(action=Action.ACCEPT, found=3, version=3), False),
        ("review", 2, Decided(action=Action.EDIT, content="mine"), False),
        ("answer", 2, Decided(action=Action.ANSWER, content="mine"), False),
        ("review", 2, Decided(action=Action.REFUSE), False),
        ("review", 1, Decided(action=Action.ACCEPT), False),
        ("approve", 2, Decided(action=Action.ACCEPT), False),
    ],
)
def test_who_accepts_what_others_can_change_says_which_version_they_have_seen(mode: str, persons: int, decision: Decided, blind: bool) -> None:
    said: InvalidRequest | None = None
    try:
        check(task(mode=mode, min_approvers=persons), ADA, decision)
    except InvalidRequest as error:
        said = error
    assert (said is not None) is blind
    if said is not None:
        assert (said.param, "look at the task" in said.message) == ("version", True)
