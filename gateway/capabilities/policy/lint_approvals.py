"""Verdicts that leave something to a person: a policy that never looks at what people decided escalates again, which the gateway ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.capabilities.policy.contract import APPROVALS, covers
from gateway.capabilities.policy.lint_verdict import branches, outcomes_of
from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.projection import paths_of
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Hook

_HINT: Final = 'write beside its conditions: count([approval | some approval in input.approvals; approval.hook == "{}"]) == 0'


def advise_approvals(program: Program, hook: Hook) -> Iterator[Problem]:
    """The first branch of a hook's verdict that can escalate, where none of its rules looks at ``input.approvals``."""
    verdict = ("gateway", hook.value, "verdict")
    for rule in program.rules.get(verdict, ()):
        for branch in branches(rule):
            if branch.value is None or "escalate" not in (outcomes_of(program, branch) or ()):
                continue
            if not any(covers(path, APPROVALS) or covers(APPROVALS, path) for path in paths_of(program, verdict)):
                what = f"gateway.{hook} escalates and never looks at input.approvals: what a person approves is refused"
                yield Problem(rule.module.file, *rule.module.place(branch.value), what, _HINT.format(hook), "approvals-unread", warning=True)
            return
