"""Decisions of a policy in a process that can be killed are those of the gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.contract import samples
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.rehearsal import Rehearsal
from gateway.domain import Hook, Json

EXAMPLES = Path(__file__).parents[3] / "policies"
Write = Callable[..., Path]


@pytest.mark.parametrize("hook", Hook)
def test_it_decides_as_the_policy_itself(hook: Hook) -> None:
    bundle = load_bundle(EXAMPLES)
    program = check(bundle)
    inputs: list[Json] = [*map(dict, samples(hook).values()), {}, {"subject": {"teams": ["\ud800"]}}]
    policy = Policy(bundle, program, memo_entries=0)
    rehearsed = Rehearsal(bundle, program, hook).run(inputs)
    for parts, decision in zip(inputs, rehearsed.decisions, strict=True):
        assert decision is not None
        assert replace(decision, duration_ns=0) == replace(policy.decide(hook, parts), duration_ns=0)


def test_other_rules_can_be_asked_for_and_faults_are_told(write: Write) -> None:
    text = 'package gateway.intent\n\nverdict := {"outcome": "allow"} if total > 1\n\ntotal := sum(input.subject.teams)\n\nroute := input.request.route\n'
    bundle = load_bundle(write({"intent.rego": text}))
    rehearsed = Rehearsal(bundle, check(bundle), Hook.INTENT).run(
        [{"subject": {"teams": [1, 2]}}, {"subject": {"teams": ["a"]}}], rules=["data.gateway.intent.total", "data.gateway.intent.route"]
    )
    assert rehearsed.values == {"data.gateway.intent.total": 3}
    assert [decision.verdict.outcome for decision in rehearsed.decisions if decision] == ["allow", "deny"]
    assert (rehearsed.faults[1].file, rehearsed.faults[1].line) == ("intent.rego", 5)


def test_what_does_not_even_compile_in_time_is_an_error() -> None:
    bundle = load_bundle(EXAMPLES)
    with pytest.raises(PolicyError, match="took longer"):
        Rehearsal(bundle, check(bundle), Hook.INTENT).run([{}], limit_s=0.001)
