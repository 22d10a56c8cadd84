"""Runs the ``test_`` rules of a policy as ``opa test`` does, in the engine that will decide, and in a child process that can be killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.capabilities.policy.source_lint import lint_source
from gateway.capabilities.policy.syntax import Program
from gateway.capabilities.policy.trial import Case, Trial

DEFAULT_LIMIT_S = 60.0
_PREFIX = "test_"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorTest:
    """What one test came to."""

    name: str
    """``data.gateway.access_test.test_support_may_use_the_everyday_assistant``."""
    file: str
    line: int
    passed: bool
    why: str = ""
    """Why it failed: its value, or the engine's sentence."""
    prints: tuple[str, ...] = ()
    seconds: float = 0.0


def run_tests(bundle: Bundle, *, limit_s: float = DEFAULT_LIMIT_S) -> Sequence[AuthorTest]:
    """Evaluate every test of ``bundle``; all of them together may take ``limit_s`` seconds.

    Raises:
        PolicyError: The modules or tests do not compile, two tests have one name, or the time or memory did not suffice.
    """
    modules = {**bundle.modules, **bundle.tests}
    problems = [problem for name, text in modules.items() for problem in lint_source(name, text)]
    if problems:
        raise PolicyError(problems)
    parsed = Trial(modules, bundle.data_json, (), limit_s=limit_s).run()
    if parsed.ast is None:
        raise PolicyError(parsed.problems)
    found = _tests(Program(parsed.ast), bundle)
    result = Trial(modules, bundle.data_json, [Case(name, name, "{}") for name in found], limit_s=limit_s).run()
    if result.problems:
        raise PolicyError(result.problems)
    return [_outcome(name, *place, result.cases[name]) for name, place in found.items()]


def _tests(program: Program, bundle: Bundle) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    problems = []
    for key, rules in program.rules.items():
        for rule in rules:
            if not rule.name.startswith(_PREFIX) or rule.module.file not in bundle.tests:
                continue
            name = ".".join(("data", *key))
            if name in found:
                problems.append(Problem(rule.module.file, rule.line, rule.col, f"there are two tests {rule.name}", "give each its own name"))
            found[name] = (rule.module.file, rule.line)
    if problems:
        raise PolicyError(problems)
    return found


def _outcome(name: str, file: str, line: int, told: Mapping[str, Any]) -> AuthorTest:
    why = ""
    if "fault" in told:
        why = f"{told['fault']['file']}:{told['fault']['line']}: {told['fault']['detail']}"
    elif "undefined" in told:
        why = "a condition does not hold"
    elif told.get("value") is not True:
        why = "its value is not true"
    return AuthorTest(name=name, file=file, line=line, passed=not why, why=why, prints=tuple(told.get("prints", ())), seconds=told.get("seconds", 0.0))
