"""Which rules need which."""

from __future__ import annotations

from gateway.capabilities.policy.reach import Reach
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine

SOURCES = {
    "intent.rego": "package gateway.intent\n\nimport data.shared\n\nverdict := shared.one\n\nidle := circle\n\ncircle := idle\n",
    "answer.rego": "package gateway.answer\n\nverdict := f(data.shared[input.attempt])\n\nf(x) := x\n",
    "shared.rego": "package shared\n\none := 1\n\ntwo := three\n\nthree := 3\n",
}


def test_every_rule_knows_the_hooks_that_ask_it() -> None:
    hooks = Reach(Program(EmbeddedEngine(SOURCES, "{}").ast())).hooks
    assert hooks[("shared", "one")] == {Hook.INTENT, Hook.ANSWER}
    assert hooks[("shared", "three")] == hooks[("gateway", "answer", "f")] == {Hook.ANSWER}
    assert ("gateway", "intent", "idle") not in hooks


def test_what_is_reached_from_a_rule_is_found_through_others() -> None:
    reach = Reach(Program(EmbeddedEngine(SOURCES, "{}").ast()))
    assert reach.of([("shared", "two"), ("no", "rule")]) == {("shared", "two"), ("shared", "three")}
    assert reach.needs_itself(("gateway", "intent", "idle"))
    assert not reach.needs_itself(("shared", "two"))
