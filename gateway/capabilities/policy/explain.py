"""Why a policy decided as it did: which rules gave a value, which condition kept the others from it, and what of data and input was looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from gateway.capabilities.policy.contract import VERDICT_RULES
from gateway.capabilities.policy.explain_tracing import Clause, Coverage, Place, Tracing, coverage_of
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.reach import Reach
from gateway.capabilities.policy.rehearsal import DEFAULT_LIMIT_S, Fault, Rehearsal, Rehearsed
from gateway.capabilities.policy.syntax import Path, Program
from gateway.capabilities.policy.trial import Case, Trial
from gateway.domain import Decision, Json

MAX_VALUE_CHARS: Final = 4_096
"""A longer value of a rule, of data or of the input is left out of an explanation, which says how long it is."""


class Status(StrEnum):
    """What became of a clause of a rule."""

    FIRED = "fired"
    """Every condition held, and it gave a value."""
    FAILED = "failed"
    """It was tried, and a condition did not hold."""
    NOT_REACHED = "not_reached"
    """Nothing asked for it, or another clause was enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """What became of one clause."""

    rule: str
    """``gateway.intent.verdict``."""
    file: str
    line: int
    kind: str
    """``rule``, ``function``, ``default`` or ``else``."""
    status: Status
    condition: Place | None = None
    """Of a clause that failed: the first condition that did not hold."""
    value: Any = None
    """The value of the rule, all its clauses together; as JSON, sets are arrays."""
    has_value: bool = False

    def as_json(self) -> Json:
        """For programs."""
        condition = self.condition
        failed = None if condition is None else {"file": condition.file, "line": condition.line, "col": condition.col, "text": condition.text}
        told: Json = {"rule": self.rule, "file": self.file, "line": self.line, "kind": self.kind, "status": self.status, "failed": failed}
        return told | ({"value": _shown(self.value)} if self.has_value else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Something that rules look at: a path of the input or of the data, and what is there."""

    path: str
    there: bool
    value: Any = None

    def as_json(self) -> Json:
        """For programs."""
        return {"path": self.path, "there": self.there} | ({"value": _shown(self.value)} if self.there else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one decision fell as it did."""

    decision: Decision
    rules: tuple[RuleTrace, ...]
    """Every clause that the verdict can reach, by file and line."""
    data: tuple[Read, ...]
    """What the rules that fired refer to in the data document."""
    inputs: tuple[Read, ...]
    """What the hook's rules refer to in the input."""
    notes: tuple[str, ...] = ()

    def of(self, status: Status) -> tuple[RuleTrace, ...]:
        """The clauses of which that became."""
        return tuple(rule for rule in self.rules if rule.status is status)

    def as_json(self) -> Json:
        """For programs; the decision itself is not in it."""
        return {
            "rules": [rule.as_json() for rule in self.rules],
            "data": [read.as_json() for read in self.data],
            "inputs": [read.as_json() for read in self.inputs],
            "notes": list(self.notes),
        }


def explain(rehearsal: Rehearsal, parts: Json, *, limit_s: float = DEFAULT_LIMIT_S) -> Explanation:
    """Why the policy decides about ``parts`` as it does. Blocks for some 100 ms; what runs longer than ``limit_s`` is killed.

    Raises:
        PolicyError: The evaluation took too long, or too much memory.
    """
    program, start = rehearsal.program, tuple(VERDICT_RULES[rehearsal.hook].split("."))[1:]
    reachable = Reach(program).of([start])
    rehearsed = rehearsal.run([parts], rules=sorted(_valued(program, reachable)), limit_s=limit_s)
    decision, document = rehearsed.decisions[0], rehearsal.document(parts)
    if decision is None:
        raise PolicyError(rehearsed.problems)
    if document is None:
        return Explanation(decision=decision, rules=(), data=(), inputs=(), notes=("the gateway refused the input itself: no rule was asked",))
    tracing = Tracing(program, rehearsal.bundle.modules)
    covered, notes = _coverage(rehearsal, tracing, document, rehearsed, limit_s)
    rules = () if covered is None else tuple(_traces(tracing, reachable, tracing.demanded(start, covered), covered, rehearsed.values))
    fired = {rule.rule for rule in rules if rule.status is Status.FIRED}
    return Explanation(
        decision=decision,
        rules=rules,
        data=tuple(_data(program, fired, rehearsal.bundle.data)),
        inputs=tuple(_read(path, orjson.loads(document), "input") for path in sorted(rehearsal.reads)),
        notes=notes,
    )


def _valued(program: Program, reachable: Collection[Path]) -> Iterator[str]:
    """The rules that have a value without being called."""
    for key in reachable:
        if all(rule.kind != "function" for rule in program.rules[key]):
            yield ".".join(("data", *key))


def _coverage(rehearsal: Rehearsal, tracing: Tracing, document: str, rehearsed: Rehearsed, limit_s: float) -> tuple[Coverage | None, tuple[str, ...]]:
    """Which lines of the rewritten modules an evaluation of the verdict takes in; ``None``, and why, where that cannot be told."""
    rule = VERDICT_RULES[rehearsal.hook]
    result = Trial(tracing.modules, rehearsal.bundle.data_json, [Case("verdict", rule, document)], limit_s=limit_s, coverage=True).run()
    if result.problems:
        return None, ("which rules fired cannot be told: some are written as the explanation cannot follow; opa fmt may help",)
    outcome, fault = result.cases["verdict"], rehearsed.faults.get(0)
    if fault is not None or "fault" in outcome:
        return coverage_of(result.coverage), (_failed(fault),) if fault is not None else ()
    if outcome.get("value") != rehearsed.values.get(rule):
        return None, ("which rules fired cannot be told: evaluating them line by line gave another verdict",)
    return coverage_of(result.coverage), ()


def _failed(fault: Fault) -> str:
    return f"the evaluation failed at {fault.file}:{fault.line}: {fault.detail}" if fault.line else f"the evaluation failed: {fault.detail}"


def _traces(tracing: Tracing, reachable: Collection[Path], demanded: Collection[Path], covered: Coverage, values: Mapping[str, Any]) -> Iterator[RuleTrace]:
    clauses = [clause for key in reachable for clause in tracing.clauses.get(key, ())]
    states = {id(clause): _state(tracing, clause, covered) for clause in clauses}
    given = {clause.key for clause in clauses if states[id(clause)][0] is Status.FIRED and not clause.is_default}
    kept = {clause.key for clause in clauses} - set(demanded)  # the engine looks at these in any case, and at defaults
    for clause in sorted(clauses, key=lambda clause: (clause.rule.module.file, clause.line)):
        status, condition = states[id(clause)]
        if clause.key in (kept | given if clause.is_default else kept):
            status, condition = Status.NOT_REACHED, None
        yield _trace(clause, status, condition, values)


def _trace(clause: Clause, status: Status, condition: Place | None, values: Mapping[str, Any]) -> RuleTrace:
    known = status is Status.FIRED and f"data.{clause.name}" in values
    return RuleTrace(
        rule=clause.name,
        file=clause.rule.module.file,
        line=clause.line,
        kind="else" if clause.is_else else _KINDS.get(clause.rule.kind, "rule"),
        status=status,
        condition=condition,
        value=values[f"data.{clause.name}"] if known else None,
        has_value=known,
    )


_KINDS: Final = {"default": "default", "function": "function"}


def _state(tracing: Tracing, clause: Clause, covered: Coverage) -> tuple[Status, Place | None]:
    if tracing.reached(clause, clause.head, covered):
        return Status.FIRED, None
    reached = [step for step in (*clause.conditions, *([clause.tried] if clause.tried else [])) if tracing.reached(clause, step, covered)]
    return (Status.FAILED, reached[-1].place) if reached else (Status.NOT_REACHED, None)


def _data(program: Program, fired: Collection[str], data: Mapping[str, Any]) -> Iterator[Read]:
    found: set[Path] = set()
    for key, rules in program.rules.items():
        for rule in rules if ".".join(key) in fired else ():
            for _, reference in rule.uses():
                path = program.resolve(rule.module, str(reference.name), reference.literal)
                if path is not None and path[0] == "data" and not any(program.rules_at(path[1:])):
                    found.add(path[1:])
    for path in sorted(found):
        yield _read(path, data, "data")


def _read(path: Path, document: Any, root: str) -> Read:
    name = ".".join((root, *path))
    for step in path:
        if not isinstance(document, dict) or step not in document:
            return Read(path=name, there=False)
        document = document[step]
    return Read(path=name, there=True, value=document)


def _shown(value: Any) -> Any:
    size = len(orjson.dumps(value))
    return value if size <= MAX_VALUE_CHARS else f"not shown: {size} bytes of JSON"
