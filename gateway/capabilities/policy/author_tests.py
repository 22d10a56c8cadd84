"""Runs the ``test_`` rules of a policy as ``opa test`` does, in the engine that will decide, and in a child process that can be killed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.capabilities.policy.source_lint import lint_source
from gateway.capabilities.policy.syntax import Module, Program, Rule, walk
from gateway.capabilities.policy.trial import Case, Trial

DEFAULT_LIMIT_S = 60.0
_PREFIX = "test_"
_COMPREHENSIONS = frozenset({"ArrayCompr", "SetCompr", "ObjectCompr"})


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCoverage:
    """Which lines of a module the tests evaluated. Lines on which nothing is evaluated (comments, braces) are in neither."""

    file: str
    covered: tuple[int, ...]
    missed: tuple[int, ...]

    @property
    def percent(self) -> float:
        """How much of it was evaluated; all of nothing is 100."""
        return percent((self,))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """All tests of one run, in the order in which they stand in the files."""

    __test__ = False  # its name tells pytest otherwise

    engine: str
    """``embedded`` or ``opa``."""
    revision: str
    tests: tuple[AuthorTest, ...]
    coverage: tuple[FileCoverage, ...] | None = None
    """By module, tests themselves aside; ``None`` where it was not asked for."""

    @property
    def failed(self) -> int:
        """How many tests did not pass."""
        return sum(not test.passed for test in self.tests)


def percent(files: Iterable[FileCoverage]) -> float:
    """The share of lines that were evaluated, in all files together."""
    counted = [(len(file.covered), len(file.missed)) for file in files]
    covered, lines = sum(one for one, _ in counted), sum(one + other for one, other in counted)
    return 100.0 * covered / lines if lines else 100.0


def run_tests(bundle: Bundle, *, limit_s: float = DEFAULT_LIMIT_S) -> Sequence[AuthorTest]:
    """Evaluate every test of ``bundle`` in the embedded engine; see ``report_tests``."""
    return report_tests(bundle, limit_s=limit_s).tests


def report_tests(bundle: Bundle, *, run: re.Pattern[str] | None = None, coverage: bool = False, limit_s: float = DEFAULT_LIMIT_S) -> TestReport:
    """Evaluate the tests of ``bundle`` whose name ``run`` finds in the embedded engine; all of them together may take ``limit_s`` seconds.

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
    found = {name: place for name, place in _tests(Program(parsed.ast), bundle).items() if run is None or run.search(name)}
    result = Trial(modules, bundle.data_json, [Case(name, name, "{}") for name in found], limit_s=limit_s, coverage=coverage).run()
    if result.problems:
        raise PolicyError(result.problems)
    return TestReport(
        engine="embedded",
        revision=bundle.revision,
        tests=tuple(_outcome(name, *place, result.cases[name]) for name, place in found.items()),
        coverage=coverage_of(bundle, _with_untouched(Program(parsed.ast), result.coverage)) if coverage else None,
    )


def coverage_of(bundle: Bundle, lines: Mapping[str, tuple[Sequence[int], Sequence[int]]]) -> tuple[FileCoverage, ...]:
    """What an engine tells about lines, evaluated and not, for the modules of ``bundle``."""
    found = ((name, *lines.get(name, ((), ()))) for name in sorted(bundle.modules))
    return tuple(FileCoverage(file=name, covered=tuple(covered), missed=tuple(missed)) for name, covered, missed in found)


def _with_untouched(program: Program, told: Mapping[str, tuple[Sequence[int], Sequence[int]]]) -> dict[str, tuple[Sequence[int], Sequence[int]]]:
    """What the engine tells, and the lines of the modules of which it evaluated nothing: of those it tells none."""
    untouched = {module.file: module for module in program.modules if not any(told.get(module.file, ()))}
    return {**told, **{file: ((), expression_lines(module)) for file, module in untouched.items()}}


def expression_lines(module: Module) -> tuple[int, ...]:
    """The lines on which there is something to evaluate, as the embedded engine counts them: heads, parameters and what a comprehension collects aside."""
    left_out = {id(node) for rule in module.rules for part in (rule.head, *_passed_over(rule)) for node in walk(part)}
    left_out |= {id(node[kind]) for rule in module.rules for node in rule.nodes for kind in _COMPREHENSIONS & node.keys()}
    nodes = (node for rule in module.rules for node in rule.nodes if "eidx" in node and id(node) not in left_out)
    return tuple(sorted({int(node["span"]["line"]) for node in nodes}))


def _passed_over(rule: Rule) -> Iterator[Any]:
    for node in rule.nodes:
        yield from node.get("args") or ()
        for kind in _COMPREHENSIONS & node.keys():
            yield from (part for name, part in node[kind].items() if name != "query" and isinstance(part, dict))


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
