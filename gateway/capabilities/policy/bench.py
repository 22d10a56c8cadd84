"""What decisions cost: CPU time of one decision from memory and by evaluation, what of it the input takes, and which rules take the rest.

The policy has passed its check, so it is measured in this process, as the gateway would run it. All figures are CPU time of the thread, so other
processes disturb them little; they are medians over batches, since one decision is too short for the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from time import thread_time_ns
from typing import Any, Final

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.contract import VERDICT_RULES
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.projection import InputError, Projection
from gateway.capabilities.policy.reach import Reach
from gateway.capabilities.policy.syntax import Path, Program
from gateway.domain import Hook, Json
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine, EngineError

DEFAULT_SECONDS: Final = 0.2
"""CPU seconds for each figure: some 1,000 decisions of a usual policy."""
BATCH_NS: Final = 1_000_000
"""A batch takes at least so long: the clock of the thread costs 0.3 us and is a thousandth of it."""
MIN_BATCHES: Final = 5
_NOTHING: Final = "true"
"""The query that asks no rule: what handing over the input and the answer takes by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What something takes each time, in microseconds of CPU."""

    median_us: float
    p95_us: float
    runs: int
    """How often it was done, in all batches."""

    def less(self, floor: Cost) -> Cost:
        """The cost above a floor, never below nothing."""
        return Cost(median_us=max(0.0, self.median_us - floor.median_us), p95_us=max(0.0, self.p95_us - floor.median_us), runs=self.runs)

    def as_json(self) -> Json:
        """The figures, in hundredths."""
        return {"median_us": round(self.median_us, 2), "p95_us": round(self.p95_us, 2), "runs": self.runs}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCost:
    """What one rule takes when it is asked for alone, with every rule that it needs in turn."""

    rule: str
    file: str
    line: int
    cost: Cost | None
    """Above what asking for nothing takes; ``None`` where its evaluation fails on this input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One hook on one input."""

    hook: Hook
    sample: str
    outcome: str
    reasons: Sequence[str]
    """The names of the rules that refused."""
    input_bytes: int
    """Of what the policy sees of the input."""
    evaluated: Cost
    """A whole decision that is not remembered."""
    remembered: Cost | None
    """A whole decision that is; ``None`` where such a verdict is never remembered."""
    projection: Cost
    """Of the decision: making the input."""
    asking: Cost | None
    """Of the decision: handing the input to the engine and taking an answer, whatever the rules are. ``None`` where the engine does not take such an input."""
    rules: Sequence[RuleCost]
    """Every rule that the verdict can reach, by name. Functions count where they are called. The costs overlap and do not add up."""

    def as_json(self) -> Json:
        """The figures for programs."""
        return {
            "hook": self.hook.value,
            "sample": self.sample,
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "input_bytes": self.input_bytes,
            "evaluated": self.evaluated.as_json(),
            "remembered": self.remembered.as_json() if self.remembered else None,
            "projection": self.projection.as_json(),
            "asking": self.asking.as_json() if self.asking else None,
            "rules": [{"rule": one.rule, "file": one.file, "line": one.line, "cost": one.cost.as_json() if one.cost else None} for one in self.rules],
        }


class Bench:
    """Measures one policy. Every call blocks for as long as it measures."""

    def __init__(self, bundle: Bundle, program: Program, *, seconds: float = DEFAULT_SECONDS) -> None:
        """``program`` is the parsed form of ``bundle``, which has passed its check (``loading.check``); each figure takes ``seconds`` of CPU time."""
        self._program = program
        self._reach = Reach(program)
        self._seconds = seconds
        self._engine = EmbeddedEngine(bundle.modules, bundle.data_json)
        self._forgetful = Policy(bundle, program, memo_entries=0, timeout_s=3_600.0, engine=self._engine)
        self._mindful = Policy(bundle, program, timeout_s=3_600.0, engine=self._engine)

    def measure(self, hook: Hook, sample: str, parts: Mapping[str, Any]) -> Measured:
        """The costs of deciding about ``parts``, the sections of the input by name."""
        decision = self._forgetful.decide(hook, parts)
        projection = Projection(hook, self._forgetful.reads(hook))
        document = _document(projection, parts)
        asking = self._asking(_NOTHING, document)
        return Measured(
            hook=hook,
            sample=sample,
            outcome=decision.verdict.outcome,
            reasons=[reason.rule for reason in decision.verdict.reasons],
            input_bytes=len(document.encode()),
            evaluated=cost_of(lambda: self._forgetful.decide(hook, parts), self._seconds),
            remembered=self._remembered(hook, parts),
            projection=cost_of(lambda: _document(projection, parts), self._seconds),
            asking=asking,
            rules=[self._rule(key, document, asking) for key in sorted(self._rules(hook))] if asking else [],
        )

    def _remembered(self, hook: Hook, parts: Mapping[str, Any]) -> Cost | None:
        self._mindful.decide(hook, parts)
        if not self._mindful.decide(hook, parts).memoised:
            return None
        return cost_of(lambda: self._mindful.decide(hook, parts), self._seconds)

    def _rules(self, hook: Hook) -> list[Path]:
        start = tuple(VERDICT_RULES[hook].split("."))[1:]
        return [key for key in self._reach.of([start]) if all(rule.kind != "function" for rule in self._program.rules[key])]

    def _rule(self, key: Path, document: str, floor: Cost) -> RuleCost:
        first = self._program.rules[key][0]
        cost = self._asking(f"data.{'.'.join(key)}", document)
        return RuleCost(rule=".".join(key), file=first.module.file, line=first.line, cost=cost.less(floor) if cost else None)

    def _asking(self, rule: str, document: str) -> Cost | None:
        """What asking the engine for one rule takes; ``None`` where that fails."""
        try:
            return cost_of(lambda: self._engine.evaluate(rule, document), self._seconds)
        except EngineError:
            return None


def cost_of(do: Callable[[], Any], seconds: float) -> Cost:
    """What ``do`` takes each time, from as many batches as fit into ``seconds`` of CPU time, at least ``MIN_BATCHES``."""
    do()  # what is done once, such as compiling, is no part of it
    runs = 1
    while (took := _batch(do, runs)) < BATCH_NS:
        runs *= 2 if took * 2 > BATCH_NS or took <= 0 else min(64, BATCH_NS // took + 1)
    batches = [took]
    while sum(batches) < seconds * 1e9 or len(batches) < MIN_BATCHES:
        batches.append(_batch(do, runs))
    each = [batch / runs / 1e3 for batch in batches]
    return Cost(median_us=median(each), p95_us=quantiles(each, n=20, method="inclusive")[-1], runs=runs * len(batches))


def _batch(do: Callable[[], Any], runs: int) -> int:
    started = thread_time_ns()
    for _ in range(runs):
        do()
    return thread_time_ns() - started


def _document(projection: Projection, parts: Mapping[str, Any]) -> str:
    """The input as the engine gets it; that of a refusal where the gateway would not ask at all."""
    try:
        return projection.document(parts).decode()
    except InputError as fault:
        return fault.document.decode()
