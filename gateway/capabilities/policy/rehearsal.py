"""Asking a policy about inputs in a process that can be killed, and the decisions exactly as the gateway would have made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import orjson

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.contract import VERDICT_RULES
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.capabilities.policy.projection import InputError, Projection
from gateway.capabilities.policy.syntax import Program
from gateway.capabilities.policy.trial import Case, Result, Trial
from gateway.domain import Decision, Hook, Json
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EngineError

DEFAULT_LIMIT_S: Final = 10.0
"""Seconds for all inputs of one rehearsal together, the start of the process and the compilation among them."""
_ASKED: Final = "asked"


class Fault(NamedTuple):
    """Where an evaluation failed; ``detail`` is the engine's own sentence, which can quote the input: for authors alone."""

    kind: str
    detail: str
    file: str
    line: int


@dataclass(slots=True)
class _Said:
    """The engine of a rehearsal: it says what the child process said."""

    outcomes: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def evaluate(self, rule: str, document: str, *, max_chars: int) -> Any:  # noqa: ARG002 - the engine's signature
        outcome = self.outcomes[document]
        if "fault" in outcome:
            fault = outcome["fault"]
            raise EngineError(fault["kind"], fault["detail"], file=fault["file"], line=fault["line"], col=fault["col"])
        value = outcome.get("value")
        if value is not None and len(orjson.dumps(value).decode()) > max_chars:
            raise EngineError("size", f"the value is longer than {max_chars} characters")
        return UNDEFINED if "undefined" in outcome else value

    def prepare(self) -> None:
        """Nothing to do: the child process compiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What a policy decides about some inputs."""

    decisions: Sequence[Decision | None]
    """In the order of the inputs; ``None`` for those that were not reached before the limit."""
    faults: Mapping[int, Fault]
    """By input, where the evaluation failed."""
    refused: frozenset[int]
    """The inputs about which the gateway would not even ask."""
    values: Mapping[str, Any]
    """The values of the other rules that were asked for, for the first input; those that have none are missing."""
    problems: tuple[Problem, ...]
    """Why not every input was reached."""


class Rehearsal:
    """One hook of one policy. Every call blocks: use a thread where others wait."""

    def __init__(self, bundle: Bundle, program: Program, hook: Hook) -> None:
        """``program`` is the parsed form of ``bundle``, which has passed the lint and its trial (``loading.check``)."""
        self.bundle = bundle
        self.program = program
        self.hook = hook
        self._said = _Said()
        self._policy = Policy(bundle, program, memo_entries=0, timeout_s=3_600.0, engine=self._said)
        self.reads = self._policy.reads(hook)
        """The paths of the input that the hook's rules refer to; the empty path is all of it."""
        self._projection = Projection(hook, self.reads)

    def document(self, parts: Mapping[str, Any]) -> str | None:
        """The projected input as JSON; ``None`` where the gateway would refuse it without asking."""
        try:
            return self._projection.document(parts).decode()
        except InputError:
            return None

    def run(self, inputs: Sequence[Json], *, rules: Sequence[str] = (), limit_s: float = DEFAULT_LIMIT_S) -> Rehearsed:
        """What the policy decides about ``inputs``, and for the first of them the values of ``rules`` (``data.gateway.limits.cap``).

        Raises:
            PolicyError: The policy did not even compile in time.
        """
        documents = [self.document(parts) for parts in inputs]
        asked = {at: document for at, document in enumerate(documents) if document is not None}
        result = Trial(self.bundle.modules, self.bundle.data_json, self._cases(asked, rules), limit_s=limit_s).run()
        if result.ast is None:
            raise PolicyError(result.problems)
        names = {document: str(at) for at, document in asked.items()}
        found = {at: result.cases[names[document]] for at, document in asked.items() if names[document] in result.cases}
        self._said.outcomes = {asked[at]: outcome for at, outcome in found.items()}
        values = {rule: result.cases[name]["value"] for rule in rules if "value" in result.cases.get(name := f"{_ASKED} {rule}", {})}
        return Rehearsed(
            decisions=[None if at in asked and at not in found else self._decision(parts, found.get(at)) for at, parts in enumerate(inputs)],
            faults=_faults(found),
            refused=frozenset(range(len(inputs))) - asked.keys(),
            values=values,
            problems=_problems(result),
        )

    def _cases(self, asked: Mapping[int, str], rules: Sequence[str]) -> list[Case]:
        """Each document once, by its last place."""
        names = {document: str(at) for at, document in asked.items()}
        cases = [Case(name, VERDICT_RULES[self.hook], document) for document, name in names.items()]
        return cases + [Case(f"{_ASKED} {rule}", rule, asked[0]) for rule in rules if 0 in asked]

    def _decision(self, parts: Json, outcome: Mapping[str, Any] | None) -> Decision:
        decision = self._policy.decide(self.hook, parts)
        return replace(decision, duration_ns=0 if outcome is None else round(outcome["seconds"] * 1e9))


def _faults(found: Mapping[int, Mapping[str, Any]]) -> dict[int, Fault]:
    told = {at: outcome["fault"] for at, outcome in found.items() if "fault" in outcome}
    return {at: Fault(fault["kind"], fault["detail"], fault["file"], fault["line"]) for at, fault in told.items()}


def _problems(result: Result) -> tuple[Problem, ...]:
    return tuple(Problem(problem.file, problem.line, problem.col, problem.what, "make the rule cheaper, or its input smaller") for problem in result.problems)
