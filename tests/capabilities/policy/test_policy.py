"""The table of faults holds at the level of the decider, on both hooks; and what a policy remembers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.policy import JUDGED_ENTRIES, Policy
from gateway.domain import Decision, Hook
from tests.capabilities.policy.faults import ALLOW, FAULTS, Fault, FaultyDecider, bundle_of, policy_of

SUBJECT = {"id": "key_1", "tenant": "acme", "teams": ["support"]}


def test_the_table_is_long_enough_and_names_each_fault_once() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 25


@pytest.mark.parametrize("hook", list(Hook))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_every_fault_is_a_refusal_with_its_reason(fault: Fault, hook: Hook) -> None:
    decider = FaultyDecider(fault, hook)
    decision = await decider.decide(hook, {"subject": SUBJECT})
    assert decision.verdict.outcome == "deny"
    assert decision.verdict.reasons[0].rule == fault.rule
    assert decision.verdict.reasons[0].message
    assert not decision.verdict.obligations.reveal
    assert not decision.memoised
    orjson.loads(decision.input)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_at_one_hook_leaves_the_other_alone(fault: Fault) -> None:
    decision = await FaultyDecider(fault, Hook.ANSWER).decide(Hook.INTENT, {"subject": SUBJECT})
    assert decision.verdict.outcome == "allow" or fault.timeout_s == 0


async def test_the_engine_serves_on_after_a_failure() -> None:
    bundle = bundle_of('verdict := {"outcome": "allow", "reasons": [r | r := 1 / input.attempt; r < 0]}', ALLOW)
    policy = policy_of(bundle)
    assert [policy.decide(Hook.INTENT, {"attempt": attempt}).verdict.outcome for attempt in (0, 1, 0, 2)] == ["deny", "allow", "deny", "allow"]


BY_SUBJECT = """
verdict := {"outcome": "allow", "obligations": {"labels": {"tenant": input.subject.tenant, "key": input.subject.id}}}
"""


def test_what_both_hooks_refer_to_is_known_without_evaluating() -> None:
    policy = policy_of(bundle_of(BY_SUBJECT, 'verdict := {"outcome": "allow"} if input.answer.finish_reason == "stop"'))
    assert policy.reads(Hook.INTENT) == {("subject", "tenant"), ("subject", "id")}
    assert not policy.reads_answer_content


@pytest.mark.parametrize(
    "reference", ["input.answer.text", "input.answer.tool_calls[_].id", "input.answer", "input", 'input["answer"]["text"]', "input[section]"]
)
def test_a_reference_that_can_take_in_the_content_of_the_answer_is_seen(reference: str) -> None:
    policy = policy_of(bundle_of(ALLOW, f'section := "answer"\n\nverdict := {{"outcome": "allow"}} if {reference}'))
    assert policy.reads_answer_content


@pytest.mark.parametrize(
    ("reference", "remembered"),
    [
        ("input.subject.id", True),
        ("input.request.route", True),
        ("input.request.params.max_tokens", True),
        ("input.request.tools", True),
        ("input.request.params", False),
        ("input.request.messages", False),
        ("input.request", False),
        ("input.time", False),
        ("input.budget.remaining_microusd", False),
        ("input.intent.id", False),
        ("input.intent.surface", True),
        ("input.trace_id", False),
        ("input", False),
    ],
)
def test_a_verdict_is_remembered_only_where_neither_content_time_money_nor_ids_decide(reference: str, remembered: bool) -> None:
    policy = policy_of(bundle_of(f'verdict := {{"outcome": "allow"}} if {reference}', ALLOW))
    parts = {
        "subject": {"id": "a"},
        "request": {"route": "a", "params": {"max_tokens": 1}, "messages": ["a"], "tools": ["a"]},
        "intent": {"id": "a", "surface": "chat"},
        "budget": {"remaining_microusd": 1},
        "time": "2026-01-01T00:00:00Z",
        "trace_id": "a",
    }
    decisions = [policy.decide(Hook.INTENT, parts) for _ in range(2)]
    assert [decision.verdict.outcome for decision in decisions] == ["allow", "allow"]
    assert decisions[1].memoised is remembered is policy.memoises(Hook.INTENT)


BY_CONFIDENCE = """
default verdict := {"outcome": "deny"}

verdict := {"outcome": "allow"} if object.get(input, ["answer", "confidence"], null) == null
"""


def judged(policy: Policy, confidence: float | None, signals: dict[str, Any]) -> Decision:
    return policy.decide(Hook.ANSWER, {"answer": {"confidence": confidence, "signals": signals}})


def test_scores_that_differ_with_every_answer_push_out_no_other_verdict() -> None:
    policy = policy_of(bundle_of(ALLOW, BY_CONFIDENCE))
    assert judged(policy, None, {}).verdict.outcome == "allow"
    for step in range(JUDGED_ENTRIES + 1):
        score = step / 1_000
        assert judged(policy, score, {"logprobs": score}).verdict.outcome == "deny"
    assert judged(policy, JUDGED_ENTRIES / 1_000, {}).memoised
    assert not judged(policy, 0.0, {}).memoised
    assert judged(policy, None, {}).memoised


def test_no_verdict_on_a_judged_answer_is_remembered_where_none_is() -> None:
    policy = policy_of(bundle_of(ALLOW, BY_CONFIDENCE), memo_entries=0)
    assert [judged(policy, 0.5, {}).memoised for _ in range(2)] == [False, False]


BY_APPROVALS = """
default verdict := {"outcome": "allow"}

verdict := {"outcome": "escalate"} if not approved

default approved := false

approved if {
	some approval in input.approvals
	approval.hook == input.hook
}
"""


@pytest.mark.parametrize("hook", list(Hook))
def test_a_verdict_on_what_nobody_has_approved_is_remembered_and_one_with_an_approval_is_not(hook: Hook) -> None:
    policy = policy_of(bundle_of(BY_APPROVALS, BY_APPROVALS))
    parts: dict[str, Any] = {"approvals": []}
    assert [policy.decide(hook, parts).memoised for _ in range(2)] == [False, True]
    approved = {"approvals": [{"id": "apr_1", "hook": hook.value, "by": "key_2"}]}
    decisions = [policy.decide(hook, approved) for _ in range(2)]
    assert [(decision.verdict.outcome, decision.memoised) for decision in decisions] == [("allow", False)] * 2
    assert policy.decide(hook, parts).verdict.outcome == "escalate"
    assert policy.remembered(hook, policy.project(hook, approved), approved) is None


names = st.text(max_size=8)


@given(st.lists(st.tuples(names, names), max_size=20))
def test_a_remembered_verdict_never_reaches_another_tenant_or_subject(subjects: list[tuple[str, str]]) -> None:
    policy = _shared()
    for tenant, key in subjects:
        decision = policy.decide(Hook.INTENT, {"subject": {"tenant": tenant, "id": key}})
        assert _labels(decision) == ({"tenant": tenant, "key": key} if tenant and key else {})


def _labels(decision: Decision) -> dict[str, str]:
    return dict(decision.verdict.obligations.labels)


_POLICIES: list[Policy] = []


def _shared() -> Policy:
    if not _POLICIES:
        _POLICIES.append(policy_of(bundle_of(BY_SUBJECT, ALLOW), memo_entries=7))
    return _POLICIES[0]


def test_what_a_person_has_to_decide_is_escalated_with_the_reasons_of_the_policy() -> None:
    verdict = '{"outcome": "escalate", "reasons": [{"rule": "review.large", "message": "a person must look at this"}]}'
    decision = policy_of(bundle_of(f"verdict := {verdict}", ALLOW)).decide(Hook.INTENT, {})
    assert decision.verdict.outcome == "escalate"
    assert [reason.rule for reason in decision.verdict.reasons] == ["review.large"]


def test_a_refusal_of_the_engine_quotes_nothing_of_the_input() -> None:
    policy = policy_of(bundle_of('verdict := {"outcome": "allow"} if to_number(input.subject.id) > 1', ALLOW))
    decision = policy.decide(Hook.INTENT, {"subject": {"id": "jane@example.com"}})
    assert decision.verdict.reasons[0].rule == "policy.error"
    assert "jane" not in decision.verdict.reasons[0].message
    assert "intent.rego:3" in decision.verdict.reasons[0].message
