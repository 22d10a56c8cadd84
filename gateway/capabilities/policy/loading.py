"""From a folder or bundle to a policy that may go live: read, lint, try, compile. One way for the start, for every reload and for the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.capabilities.policy.bundle_manifest import outside
from gateway.capabilities.policy.bundle_trust import BundleKey
from gateway.capabilities.policy.contract import EXTREMES, VERDICT_RULES, samples
from gateway.capabilities.policy.lint import lint
from gateway.capabilities.policy.policy import DEFAULT_TIMEOUT_S, Policy
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.capabilities.policy.source_lint import lint_source
from gateway.capabilities.policy.syntax import Program
from gateway.capabilities.policy.trial import Case, Result, Trial
from gateway.capabilities.policy.verdict import VerdictError, parse
from gateway.domain import Hook

DEFAULT_TRIAL_S = 10.0


Started = Callable[[Trial], None]
"""Is handed the trial before it runs, so that it can be cancelled."""


def load_policy(
    path: Path,
    *,
    key: BundleKey | None = None,
    trial_s: float = DEFAULT_TRIAL_S,
    memo_entries: int = 10_000,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    started: Started | None = None,
) -> Policy:
    """Read, lint, try and compile the policy in the folder or OPA bundle ``path``, signed with ``key`` if one is given.

    Blocks for some 50 ms, at worst ``trial_s``.

    Raises:
        PolicyError: The policy must not go live; with every problem that was found.
    """
    return compile_policy(load_bundle(path, key), trial_s=trial_s, memo_entries=memo_entries, timeout_s=timeout_s, started=started)


def compile_policy(
    bundle: Bundle,
    *,
    trial_s: float = DEFAULT_TRIAL_S,
    memo_entries: int = 10_000,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    started: Started | None = None,
) -> Policy:
    """Lint, try and compile what was read.

    Raises:
        PolicyError: As ``load_policy``.
    """
    program = check(bundle, trial_s=trial_s, timeout_s=timeout_s, started=started)
    return Policy(bundle, program, memo_entries=memo_entries, timeout_s=timeout_s)


def parse_bundle(bundle: Bundle, *, trial_s: float = DEFAULT_TRIAL_S) -> Program:
    """The parsed modules, whether or not they may go live.

    Raises:
        PolicyError: They do not compile.
    """
    problems = [problem for name, text in bundle.modules.items() for problem in lint_source(name, text)]
    if problems:
        raise PolicyError(problems)
    result = Trial(bundle.modules, bundle.data_json, (), limit_s=trial_s).run()
    if result.ast is None:
        raise PolicyError(result.problems)
    return Program(result.ast)


def check(bundle: Bundle, *, trial_s: float = DEFAULT_TRIAL_S, timeout_s: float = DEFAULT_TIMEOUT_S, started: Started | None = None) -> Program:
    """Lint a bundle and try it on sample inputs of every hook; the parsed modules if nothing is wrong.

    Raises:
        PolicyError: With every problem that was found.
    """
    problems = [problem for name, text in bundle.modules.items() for problem in lint_source(name, text)]
    if problems:  # such sources may take for ever to parse
        raise PolicyError(problems)
    trial = Trial(bundle.modules, bundle.data_json, _sample_cases(), limit_s=trial_s)
    if started is not None:
        started(trial)
    result = trial.run()
    problems.extend(result.problems)
    problems.extend(
        Problem("policy", 0, 0, f"{name} took {outcome['seconds']:.1f} s", f"it must take less than {timeout_s:g} s")
        for name, outcome in result.cases.items()
        if outcome["seconds"] > timeout_s
    )
    program = _linted(result, bundle, problems)
    if problems or program is None:
        raise PolicyError(problems)
    return program


def _linted(result: Result, bundle: Bundle, problems: list[Problem]) -> Program | None:
    """The parsed modules, where they compiled; what they and their verdicts have wrong goes to ``problems``."""
    if result.ast is None:
        return None
    try:
        program = Program(result.ast)
        problems.extend(lint(program, bundle.data))
        problems.extend(outside(bundle.manifest.roots, ((module.file, module.package) for module in program.modules), bundle.data))
    except RecursionError:
        problems.append(Problem("policy", 0, 0, "an expression is nested too deep", "give its parts names"))
        return None
    if not any(problem.rule == "verdict-shape" for problem in problems):  # what is written wrong has been told with its place
        problems.extend(problem for hook in Hook for problem in _malformed(program, hook, result.cases))
    return program


def _malformed(program: Program, hook: Hook, cases: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """Verdicts on samples that are none of the contract: every such intent would be refused with ``policy.malformed``. Each fault once, with its first sample.

    Verdicts on the extremes may be odd: a reason that quotes an endless text is too long for the contract, and refuses as it was to.
    """
    seen: set[str] = set()
    for name in (name for name in samples(hook) if name not in EXTREMES):
        case = _case_name(hook, name)
        fault = _fault(cases.get(case, {}))
        if fault and fault not in seen:
            seen.add(fault)
            rule = program.rules[next(program.rules_at(("gateway", hook.value, "verdict")))][0]
            yield Problem(rule.module.file, rule.line, rule.col, f"{case} is malformed: {fault}", f"correct {VERDICT_RULES[hook]}")


def _fault(outcome: Mapping[str, Any]) -> str:
    """What is malformed in the verdict that a sample came to; empty where nothing is. One that is undefined refuses by itself and may well be meant."""
    if "value" in outcome:
        try:
            parse(outcome["value"])
        except VerdictError as fault:
            return fault.message if fault.rule == "policy.malformed" else ""
    return ""


def _case_name(hook: Hook, sample: str) -> str:
    return f"the {hook.value} verdict for the {sample} sample input"


def _sample_cases() -> list[Case]:
    return [Case(_case_name(hook, name), VERDICT_RULES[hook], orjson.dumps(sample).decode()) for hook in Hook for name, sample in samples(hook).items()]
