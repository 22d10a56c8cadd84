from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.backtest.judging import REASONS
from gateway.capabilities.policy.backtest.recorded import Asked, decisions, outcome_of
from gateway.capabilities.policy.backtest.source import Raw, Stored
from gateway.domain import Hook

ALL = frozenset(Hook)
ALLOW = {"hook": "intent", "outcome": "allow", "reasons": [], "obligations": {"reveal": {}}, "revision": "r1"}
INPUT: dict[str, Any] = {"decision_input": {"subject": {}}}


def denied(rule: str, message: str = "m") -> dict[str, Any]:
    return ALLOW | {"outcome": "deny", "reasons": [{"rule": rule, "message": message}]}


def stored(facts: object, content: object = INPUT, *, salted: bool = True, expires_ns: int | None = None) -> Stored:
    body: dict[str, Any] = dict.fromkeys(("tenant", "writer", "seq", "intent_id", "kind", "at_ns")) | {
        "digests": {"content": "0"},
        "facts": facts,
        "expires_ns": expires_ns,
    }
    return Stored(json.dumps(body).encode(), json.dumps(content).encode() if salted else None, salted)


def asked(opened: Stored, closed: Stored | None = None, hooks: frozenset[Hook] = ALL) -> list[Asked]:
    return list(decisions(Raw("acme", "int_1", opened, closed), hooks))


OPENED = stored({"route": "assistant", "decision": ALLOW})


def test_an_intent_and_its_answers_are_decisions_in_their_order() -> None:
    answers = [ALLOW | {"hook": "answer"}, denied("answer.no") | {"hook": "answer"}]
    closed = stored(
        {"decision": answers[-1], "decisions": answers, "attempts": [{"cost_microusd": 3}, {"cost_microusd": 4}, {}]}, {"decision_inputs": [{"a": 1}, {"a": 2}]}
    )
    found = asked(OPENED, closed)
    assert [(one.hook, one.input, one.said.outcome if one.said else None, one.choice) for one in found] == [
        (Hook.INTENT, {"subject": {}}, "allow", 0),
        (Hook.ANSWER, {"a": 1}, "allow", 0),
        (Hook.ANSWER, {"a": 2}, "deny", 1),
    ]
    assert {one.cost_microusd for one in found} == {7}
    assert {one.problem for one in found} == {None}
    assert [one.hook for one in asked(OPENED, closed, frozenset({Hook.ANSWER}))] == [Hook.ANSWER, Hook.ANSWER]


def test_what_ended_before_any_policy_was_asked_is_no_decision() -> None:
    assert asked(stored({"route": None}), stored({"state": "refused", "reason": "not_found"})) == []


@pytest.mark.parametrize(
    ("opened", "problem"),
    [
        (stored({"decision": ALLOW}, {"request": {}}), "no_input"),
        (stored({"decision": ALLOW}, salted=False), "erased"),
        (stored({"decision": ALLOW}, salted=False, expires_ns=time.time_ns() + 10**18), "erased"),
        (stored({"decision": ALLOW}, salted=False, expires_ns=5), "expired"),
        (stored({"decision": ALLOW})._replace(content=b"{"), "broken_record"),
        (stored({"decision": ALLOW})._replace(content=b"[]"), "broken_record"),
        (stored({"decision": ALLOW}, {"decision_input": [1]}), "broken_record"),
        (stored({"decision": {}}), "broken_record"),
        (stored({"decision": ALLOW | {"obligations": 7}}), "broken_record"),
        (stored({"decision": ALLOW | {"reasons": [7]}}), "broken_record"),
        (Stored(b"no body", None, True), "broken_record"),
        (Stored(b"", None, False), "broken_record"),
        (stored({"decision": denied("policy.timeout")}), "not_by_policy"),
        (stored({"decision": denied("policy.unavailable")}), "not_by_policy"),
        (stored({"decision": denied("policy.error", "the input is not JSON")}), "not_by_policy"),
        (stored({"decision": denied("policy.error", "policy has changed and asks for the content")}), "not_by_policy"),
        (stored({"decision": denied("policy.error", "policy failed at intent.rego:3")}), None),
        (stored({"decision": denied("policy.undefined")}), None),
    ],
)
def test_why_a_decision_cannot_be_asked_again_is_told(opened: Stored, problem: str | None) -> None:
    (found,) = asked(opened)
    assert found.problem == problem
    assert (found.input is None) == (problem is not None)
    assert problem is None or problem in REASONS


def test_an_answer_that_is_erased_leaves_the_intent_as_it_is() -> None:
    found = asked(OPENED, stored({"decision": ALLOW}, salted=False))
    assert [one.problem for one in found] == [None, "erased"]


@pytest.mark.parametrize(
    ("ending", "effective", "because"),
    [
        ({"state": "refused", "reason": "policy.unscanned"}, "deny", ("policy.unscanned",)),
        ({"state": "refused", "reason": "policy.route"}, "deny", ("policy.route",)),
        ({"state": "failed", "reason": "upstream.timeout"}, "allow", ()),
        ({"state": "completed", "reason": None}, "allow", ()),
    ],
)
def test_what_the_gateway_refused_though_policy_allowed_was_refused(ending: dict[str, Any], effective: str, because: tuple[str, ...]) -> None:
    (found,) = asked(OPENED, stored(ending, {}))
    assert found.said is not None
    assert (found.said.outcome, found.said.effective, found.said.because) == ("allow", effective, because)


def test_a_verdict_that_wanted_a_person_is_an_escalation() -> None:
    assert outcome_of("deny", ["no queue", "amount.large"]) == ("escalate", ("amount.large",))
    assert outcome_of("deny", ["amount.large", "no queue"]) == ("deny", ("amount.large", "no queue"))
    assert outcome_of("escalate", ["amount.large"]) == ("escalate", ("amount.large",))


def of_hook(hook: str, outcome: str = "allow", *rules: str) -> dict[str, Any]:
    return ALLOW | {"hook": hook, "outcome": outcome, "reasons": [{"rule": rule, "message": "m"} for rule in rules]}


def held(at_ns: int, *decided: dict[str, Any], **facts: Any) -> Stored:
    """A ``parked`` entry, or the ``closed`` one of an intent that was parked before."""
    entry = stored({"decisions": list(decided), **facts}, {"decision_inputs": [{"asked": decision["hook"], "at": at_ns} for decision in decided]})
    return entry._replace(body=json.dumps(json.loads(entry.body) | {"at_ns": at_ns}).encode())


def test_an_intent_that_waited_for_people_tells_every_decision_in_its_order() -> None:
    opened = stored({"route": "payments", "decision": of_hook("intent", "escalate", "approval.route")})
    first = held(1, attempts=[])
    second = held(
        2,
        of_hook("intent"),
        of_hook("answer"),
        of_hook("answer", "escalate", "answer.confidence"),
        attempts=[{"target": "a", "started_ns": 1, "cost_microusd": 5}],
    )
    closed = held(
        3, of_hook("intent"), of_hook("answer"), state="completed", attempts=[{"target": "a", "started_ns": 1, "cost_microusd": 5}, {"cost_microusd": 2}]
    )
    found = list(decisions(Raw("acme", "int_1", opened, closed, (second, first)), ALL))
    assert [(one.hook.value, one.said.outcome if one.said else None, one.choice, one.resumed, one.parked) for one in found] == [
        ("intent", "escalate", 0, False, False),
        ("intent", "allow", 0, True, True),
        ("answer", "allow", 0, True, True),
        ("answer", "escalate", 1, True, True),
        ("intent", "allow", 0, True, False),
        ("answer", "allow", 0, True, False),
    ]
    assert [one.input for one in found[1:]] == [
        {"asked": "intent", "at": 2}, {"asked": "answer", "at": 2}, {"asked": "answer", "at": 2}, {"asked": "intent", "at": 3}, {"asked": "answer", "at": 3}
    ]  # fmt: skip
    assert {one.problem for one in found} == {None}
    assert {one.cost_microusd for one in found} == {7}
    assert [one.intent_decision["outcome"] for one in found if one.hook is Hook.ANSWER] == ["allow", "allow", "allow"]


def test_an_intent_that_waits_has_no_end_yet() -> None:
    found = list(decisions(Raw("acme", "int_1", OPENED, None, (held(1, of_hook("answer", "escalate", "answer.confidence")),)), ALL))
    assert [(one.hook.value, one.said.effective if one.said else None, one.resumed, one.parked) for one in found] == [
        ("intent", "allow", False, False),
        ("answer", "escalate", False, True),
    ]


@pytest.mark.parametrize(
    "verdict", [of_hook("intent", "escalate", "amount.large"), denied("no queue") | {"reasons": [{"rule": "no queue"}, {"rule": "amount.large"}]}]
)
def test_an_escalation_for_which_there_was_no_queue_counts_as_one(verdict: dict[str, Any]) -> None:
    (found,) = asked(stored({"decision": verdict}), stored({"state": "refused", "reason": "no queue"}, {}))
    assert found.said is not None
    assert (found.said.outcome, found.said.effective, found.said.because, found.said.gateway) == ("escalate", "escalate", ("amount.large",), "no queue")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(
    st.fixed_dictionaries({}, optional={"decision": JSON, "decisions": JSON, "attempts": JSON, "state": JSON, "reason": JSON, "route": JSON}),
    st.fixed_dictionaries({}, optional={"decision_input": JSON, "decision_inputs": JSON, "request": JSON}) | JSON,
)
def test_no_record_is_so_odd_that_reading_it_fails(facts: dict[str, Any], content: object) -> None:
    for one in asked(stored(facts, content), stored(facts, content)):
        assert one.problem is not None or (isinstance(one.input, dict) and one.said is not None)
