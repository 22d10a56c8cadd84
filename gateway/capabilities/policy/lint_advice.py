"""What does not keep a policy from going live, and is worth a word: rules that nothing asks, conditions that never hold, a verdict without a default.

``gateway policy lint`` shows it; ``--strict`` fails on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from gateway.capabilities.policy.annotations import VERSION_KEY, states_version
from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.contract import SCHEMA, VERDICT_RULES
from gateway.capabilities.policy.lint_approvals import advise_approvals
from gateway.capabilities.policy.lint_input import InputLint
from gateway.capabilities.policy.lint_verdict import advise_outcomes, branches, check_shape
from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.reach import Reach
from gateway.capabilities.policy.source_lint import lint_source
from gateway.capabilities.policy.syntax import Node, Path, Program, Rule
from gateway.capabilities.policy.trial import Trial
from gateway.domain import Hook

_PARSE_S = 10.0
"""Seconds in which the tests must be parsed; otherwise they are left out of account."""

_PACKAGES_OF_OTHERS = (("system",),)
"""What OPA itself asks: ``data.system.log.mask`` hides parts of the decision log."""


def advice_on(bundle: Bundle, program: Program) -> list[Problem]:
    """The warnings about a bundle that has passed its check; ``program`` is its parsed form."""
    return advise(program, bundle.modules, lambda: _with_tests(bundle))


def advise(program: Program, sources: Mapping[str, str], with_tests: Callable[[], Program | None]) -> list[Problem]:
    """The warnings about a policy that has passed ``lint``.

    ``sources`` is the text of its modules by file name. ``with_tests`` parses the policy together with its tests, if these compile; it takes a while, and
    is asked only where a rule is reached by nothing else.
    """
    reach = Reach(program)
    conditions = _Conditions(program, reach)
    problems = [*_versions(program, sources), *_unreachable(program, reach, with_tests), *conditions.advice()]
    for hook in Hook:
        problems.extend(advise_approvals(program, hook))
        problems.extend(advise_outcomes(program, hook, conditions.never))
        problems.extend(problem for problem in check_shape(program, hook) if problem.warning)
    return sorted(set(problems))


def _with_tests(bundle: Bundle) -> Program | None:
    if not bundle.tests or any(lint_source(name, text) for name, text in bundle.tests.items()):
        return None
    tree = Trial({**bundle.modules, **bundle.tests}, bundle.data_json, (), limit_s=_PARSE_S).run().ast
    return Program(tree) if tree is not None else None


def _versions(program: Program, sources: Mapping[str, str]) -> Iterator[Problem]:
    """A hook that does not say which version of the contract it is written for is taken for the first."""
    for hook in Hook:
        files = sorted({module.file for module in program.modules if module.package == ("gateway", hook.value)})
        if files and not any(states_version(sources.get(file, "")) for file in files):
            hint = f"write above it: # METADATA, # scope: package, # schemas: [{{input: schema.{hook}}}], # custom: {{{VERSION_KEY}: {SCHEMA}}}"
            line = sources.get(files[0], "").split("package ", 1)[0].count("\n") + 1
            what = f"package gateway.{hook} does not say which contract it is written for, and is taken for {SCHEMA}"
            yield Problem(files[0], line, 1, what, hint, "version-missing", warning=True)


def _unreachable(program: Program, reach: Reach, with_tests: Callable[[], Program | None]) -> Iterator[Problem]:
    """Rules that no verdict and no test reaches."""
    idle = program.rules.keys() - reach.of(_starts(program))
    tests = with_tests() if idle else None
    if tests is not None:
        idle -= Reach(tests).of(key for key in tests.rules if key[-1].startswith("test_"))
    for rule in (program.rules[key][0] for key in idle):
        hint = "use it, test it, or remove it"
        yield Problem(rule.module.file, rule.line, rule.col, f"no verdict and no test reaches the rule {rule.name}", hint, "unreachable", warning=True)


def _starts(program: Program) -> Iterator[Path]:
    for rule in VERDICT_RULES.values():
        yield tuple(rule.split("."))[1:]
    for key in program.rules:
        if any(key[: len(package)] == package for package in _PACKAGES_OF_OTHERS):
            yield key


class _Conditions:
    """Which conditions can never hold."""

    def __init__(self, program: Program, reach: Reach) -> None:
        self._program = program
        self._lints = {
            id(rule): InputLint(program, rule, reach.hooks.get((*module.package, rule.name), ())) for module in program.modules for rule in module.rules
        }

    def never(self, rule: Rule, condition: Node) -> Problem | None:
        return self._lints[id(rule)].never(condition)

    def advice(self) -> Iterator[Problem]:
        for module in self._program.modules:
            for rule in module.rules:
                for branch in branches(rule):
                    for condition in branch.conditions:
                        problem = self.never(rule, condition)
                        if problem is not None:
                            yield problem
