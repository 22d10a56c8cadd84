from __future__ import annotations

import orjson
import pytest

from gateway.capabilities.tasks.facts import move_facts, task_facts
from gateway.domain_tasks import TASK_MOVES, TaskState
from tests.capabilities.waiting_rows import ANN, BOB, a_move, a_task, an_approval

SECOND = 1_000_000_000


def test_a_task_is_shown_whole_with_times_in_utc() -> None:
    row = a_task()._replace(created_ns=SECOND, due_ns=2 * SECOND, expires_ns=3 * SECOND, signals='{"logprob": 0.5}')
    facts = task_facts(row, 2 * SECOND, approvals=[an_approval()._replace(at_ns=SECOND, expires_ns=9 * SECOND)], url_prefix="https://gateway.example.com/")
    assert facts == {
        "id": "tsk_1",
        "object": "task",
        "intent": "int_1",
        "queue": "approvals",
        "mode": "approve",
        "hook": "intent",
        "state": "open",
        "version": 1,
        "route": "assistant",
        "requester": {"id": "key_agent", "name": "Agent"},
        "reasons": [{"rule": "payments.amount", "message": "large"}],
        "signals": {"logprob": 0.5},
        "confidence": 0.5,
        "created_at": "1970-01-01T00:00:01Z",
        "due_at": "1970-01-01T00:00:02Z",
        "expires_at": "1970-01-01T00:00:03Z",
        "overdue": True,
        "on_expiry": "refuse",
        "min_approvers": 2,
        "distinct_from": ["requester"],
        "approvals": [
            {"id": "apr_1key_ann", "by": {"id": ANN, "name": "Ann"}, "action": "accept", "at": "1970-01-01T00:00:01Z", "expires_at": "1970-01-01T00:00:09Z"}
        ],
        "outcome": None,
        "claimed_by": None,
        "claimed_until": None,
        "actions": ["accept", "refuse"],
        "url": "https://gateway.example.com/v1/tasks/tsk_1",
    }
    assert orjson.loads(orjson.dumps(facts)) == facts
    assert "url" not in task_facts(row, 0)


def test_a_claim_is_shown_until_it_lapses() -> None:
    row = a_task(state=TaskState.CLAIMED)._replace(claimed_until_ns=5 * SECOND)
    now, later = task_facts(row, 0), task_facts(row, 5 * SECOND)
    assert (now["state"], now["claimed_by"], now["claimed_until"]) == ("claimed", {"id": ANN, "name": "Ann"}, "1970-01-01T00:00:05Z")
    assert (later["state"], later["claimed_by"], later["claimed_until"]) == ("open", None, None)


@pytest.mark.parametrize("state", list(TaskState))
@pytest.mark.parametrize(
    ("mode", "given", "actions"),
    [
        ("approve", (), ["accept", "refuse"]),
        ("review", (), ["accept", "edit", "refuse"]),
        ("answer", (), ["answer", "refuse"]),
        ("answer", (an_approval(action="answer"),), ["accept", "answer", "refuse"]),
        ("answer", (an_approval(action="answer")._replace(revoked_ns=1),), ["answer", "refuse"]),
        ("answer", (an_approval("2", action="answer"),), ["answer", "refuse"]),
    ],
)
def test_what_can_be_decided_is_told_while_something_can(state: TaskState, mode: str, given: tuple[object, ...], actions: list[str]) -> None:
    facts = task_facts(a_task(state=state, mode=mode), 0, approvals=given)  # type: ignore[arg-type]  # a table of cases
    assert facts["actions"] == (actions if TASK_MOVES[state] else [])


def test_what_was_taken_back_or_is_of_another_task_is_not_shown() -> None:
    given = [an_approval()._replace(revoked_ns=1), an_approval("2"), an_approval(by=BOB)]
    assert [each["by"]["id"] for each in task_facts(a_task(), 0, approvals=given)["approvals"]] == [BOB]


def test_a_move_is_shown_with_who_made_it() -> None:
    assert move_facts(a_move()._replace(at_ns=SECOND, facts='{"a": 1}')) == {
        "at": "1970-01-01T00:00:01Z",
        "move": "refuse",
        "by": {"id": ANN, "name": "Ann"},
        "facts": {"a": 1},
    }
