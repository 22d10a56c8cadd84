from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.domain import Subject
from gateway.domain_tasks import Action
from gateway.errors import GatewayError
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
    }
    return TaskRow(**{**row, **changes})


@pytest.mark.parametrize(
    ("changes", "decision", "code"),
    [
        ({}, Decided(action=Action.ACCEPT), None),
        ({}, Decided(action=Action.ACCEPT, version=3), None),
        ({}, Decided(action=Action.EDIT, content="better"), None),
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
