from __future__ import annotations

import pytest

from gateway.domain import State
from gateway.infrastructure.telemetry.metrics import Metrics
from tests.infrastructure.telemetry.conftest import Read


def test_tasks_are_counted_by_queue_and_mode_from_opening_to_end(metrics: Metrics, read: Read) -> None:
    metrics.task_opened("approvals", "approve")
    metrics.task_opened("approvals", "approve")
    metrics.task_ended("approvals", "approve", "accept", 90_000_000_000)
    assert read("gateway_tasks_opened_total", queue="approvals", mode="approve") == 2
    assert read("gateway_tasks_ended_total", queue="approvals", mode="approve", outcome="accept") == 1
    assert read("gateway_task_decision_seconds_sum", queue="approvals", mode="approve") == 90
    assert [read("gateway_task_decision_seconds_bucket", queue="approvals", mode="approve", le=le) for le in ("60.0", "300.0", "604800.0", "+Inf")] == [
        0,
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(("outcome", "observed"), [("accept", 1), ("edit", 1), ("answer", 1), ("refuse", 1), ("expire", 0), ("cancel", 0)])
def test_only_what_people_decided_says_how_long_people_take(metrics: Metrics, read: Read, outcome: str, observed: int) -> None:
    metrics.task_ended("reviews", "review", outcome, 1)
    assert read("gateway_tasks_ended_total", queue="reviews", mode="review", outcome=outcome) == 1
    assert read("gateway_task_decision_seconds_count", queue="reviews", mode="review") == observed


def test_an_intent_that_another_process_goes_on_with_is_not_in_flight_here(metrics: Metrics, read: Read) -> None:
    metrics.intent_started()
    metrics.intent_left()
    assert read("gateway_intents_in_flight") == 0


def test_an_intent_that_ends_while_it_waits_is_not_in_flight_and_has_no_duration(metrics: Metrics, read: Read) -> None:
    metrics.intent_started()
    metrics.intent_finished("payments", State.PARKED, stream=False, duration_ns=1_000_000)
    metrics.intent_settled("payments", State.EXPIRED, stream=False)
    assert read("gateway_intents_in_flight") == 0
    assert [read("gateway_intents_total", route="payments", state=state, stream="no") for state in ("parked", "expired")] == [1, 1]
    assert read("gateway_intent_duration_seconds_count", route="payments", stream="no") == 1


def test_waiting_resuming_rejected_approvals_and_failed_announcements_are_counted(metrics: Metrics, read: Read) -> None:
    for change in (1, 1, -1):
        metrics.callers_waiting(change)
    metrics.intent_resumed("answer")
    metrics.approval_rejected("forged")
    metrics.announcement_failed("approvals", "timeout")
    assert read("gateway_callers_waiting") == 1
    assert read("gateway_intents_resumed_total", hook="answer") == 1
    assert read("gateway_approvals_rejected_total", why="forged") == 1
    assert read("gateway_announcements_failed_total", queue="approvals", reason="timeout") == 1
