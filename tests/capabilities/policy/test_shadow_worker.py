"""What differs between two verdicts, and a thread that never holds more than it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.loading import load_policy
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.shadow_worker import DIFFERENCES, Shadowed, ShadowWorker, difference, rules
from gateway.capabilities.policy.verdict import parse
from gateway.domain import Hook, Reason, Verdict
from gateway.infrastructure.policy_engine_process import ProcessEngine

ALLOW: dict[str, Any] = {"outcome": "allow"}
DENY: dict[str, Any] = {"outcome": "deny", "reasons": [{"rule": "late", "message": "after hours"}]}
ESCALATE: dict[str, Any] = {"outcome": "escalate", "reasons": [{"rule": "large", "message": "a person has to look"}]}


def obliged(**obligations: Any) -> dict[str, Any]:
    return {"outcome": "allow", "obligations": obligations}


@pytest.mark.parametrize(
    ("live", "candidate", "expected"),
    [
        (ALLOW, ALLOW, "none"),
        (ALLOW, DENY, "new_deny"),
        (ESCALATE, DENY, "new_deny"),
        (DENY, ALLOW, "new_allow"),
        (ESCALATE, ALLOW, "new_allow"),
        (ALLOW, ESCALATE, "new_escalate"),
        (DENY, ESCALATE, "new_escalate"),
        (DENY, DENY, "none"),
        (DENY, {**DENY, "reasons": [{"rule": "late", "message": "other words"}]}, "none"),
        (DENY, {**DENY, "reasons": [{"rule": "early", "message": "before hours"}]}, "reasons"),
        (obliged(max_tokens=5), obliged(max_tokens=6), "obligations"),
        (ALLOW, obliged(reveal={"caller": []}), "none"),
        (obliged(reveal={"caller": ["EMAIL_ADDRESS"]}), obliged(reveal={"caller": ["*"]}), "obligations"),
        (obliged(routes=["a", "b"]), obliged(routes=["b", "a"]), "none"),
        (obliged(labels={"a": "b"}), ALLOW, "obligations"),
    ],
)
def test_a_difference_is_named_by_what_would_change(live: dict[str, Any], candidate: dict[str, Any], expected: str) -> None:
    assert difference(parse(live), parse(candidate)) == expected
    assert expected in DIFFERENCES


@pytest.mark.parametrize("rule", ["policy.undefined", "policy.error", "policy.timeout", "policy.malformed"])
def test_a_candidate_that_fails_is_an_error_whatever_was_decided(rule: str) -> None:
    failed = Verdict(outcome="deny", reasons=(Reason(rule, "it failed"),))
    assert difference(parse(ALLOW), failed) == "error"
    assert difference(failed, failed) == "error"


@pytest.mark.parametrize(
    ("live", "candidate", "told"),
    [
        (ESCALATE, ESCALATE, "none"),
        (ESCALATE, ESCALATE | {"reasons": [{"rule": "small", "message": "m"}]}, "reasons"),
        (ESCALATE, ESCALATE | {"obligations": {"approval": {"queue": "others"}}}, "obligations"),
        (ESCALATE | {"obligations": {"approval": {"queue": "others"}}}, ESCALATE | {"obligations": {"approval": {"queue": "others"}}}, "none"),
    ],
)
def test_two_that_leave_it_to_people_differ_by_their_rules_and_terms(live: dict[str, Any], candidate: dict[str, Any], told: str) -> None:
    assert difference(parse(live), parse(candidate)) == told


def test_an_escalation_is_told_as_one_with_its_rules() -> None:
    verdict = parse(ESCALATE)
    assert (verdict.outcome, rules(verdict)) == ("escalate", ["large"])


def shadowed(policy: Policy, size: int = 0) -> Shadowed:
    document = b'{"hook": "intent", "x": "' + b"y" * size + b'"}'
    return Shadowed(hook=Hook.INTENT, live=parse(DENY), policy=policy, document=document, parts={})


@pytest.fixture
def policy(write: Callable[..., Path]) -> Policy:
    return load_policy(write())


def test_it_decides_what_it_was_handed_and_tells_once(policy: Policy) -> None:
    worker = ShadowWorker(10)
    worker.start()
    first, second = shadowed(policy), shadowed(policy)
    assert worker.submit(first)
    assert worker.submit(second)
    done: list[Shadowed] = []
    while len(done) < 2:
        done += worker.take()
        time.sleep(0.001)
    worker.close(None)
    assert [each.difference for each in done] == ["new_allow", "new_allow"]
    assert (done, worker.take()) == ([first, second], [])
    assert worker.spent_ns > 0
    assert first.document == b""


def test_no_more_waits_than_may_by_number_and_by_size(policy: Policy) -> None:
    worker = ShadowWorker(2)
    assert [worker.submit(shadowed(policy)) for _ in range(3)] == [True, True, False]
    worker.close(None)
    large = ShadowWorker(100)
    assert [large.submit(shadowed(policy, 9 << 20)) for _ in range(2)] == [True, False]
    large.close(None)


def test_an_engine_is_retired_after_what_waits_for_it_and_at_the_end_at_the_latest(policy: Policy) -> None:
    engines = [ProcessEngine({}, "{}", limit_s=1.0) for _ in range(3)]
    worker = ShadowWorker(10)
    worker.start()
    worker.retire(engines[0])
    worker.submit(shadowed(policy))
    while not worker.take():
        time.sleep(0.001)
    assert engines[0]._closed
    idle = ShadowWorker(10)
    idle.retire(engines[1])
    idle.close(engines[2])
    worker.close(None)
    assert engines[1]._closed
    assert engines[2]._closed
    assert not [thread for thread in threading.enumerate() if thread.name == "policy shadow"]
