"""What a backtest counts. Tallies of parts add up to that of the whole, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.capabilities.policy.backtest.comparing import NEWLY_ALLOWED, NEWLY_DENIED, UNCHANGED
from gateway.capabilities.policy.backtest.judging import Apart
from gateway.capabilities.policy.backtest.recorded import Asked, Said
from gateway.domain import Hook

EXAMPLES: Final = 10
"""Kept of each kind, the newest."""


class Example(NamedTuple):
    """A decision by its record; no value of an input."""

    intent_id: str
    tenant: str
    route: str
    hook: str
    before: str
    after: str
    rules: tuple[str, ...]
    changes: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts over decisions, and the examples of each kind."""

    records: int = 0
    decisions: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    apart: Counter[str] = field(default_factory=Counter)
    by: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By dimension (``rule``, ``tenant``, ``route``, ``hook``, ``change``), kind or reason, and name."""
    missing: Counter[str] = field(default_factory=Counter)
    """By path that was missing."""
    completed: int = 0
    """Decisions whose input was completed from the record."""
    added: Counter[str] = field(default_factory=Counter)
    """By path that was added."""
    examples: dict[str, list[Example]] = field(default_factory=dict)
    costs: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Intents by route and cost in micro-USD, this to three figures: enough for a median, and bounded."""
    recorded_microusd: int = 0
    saved_microusd: int = 0
    """What intents cost that would be refused."""
    added_microusd: int = 0
    """What intents cost that would be let go, where they cost something."""
    unpriced: Counter[str] = field(default_factory=Counter)
    """By route: intents that would be let go and have no cost."""
    escalated_before: int = 0
    escalated_after: int = 0
    evaluated: int = 0
    slow: int = 0

    def add_record(self, route: str, cost_microusd: int | None) -> None:
        """Count a record and what it cost."""
        self.records += 1
        if cost_microusd is not None:
            self.recorded_microusd += cost_microusd
            self.costs[route, _rounded(cost_microusd)] += 1

    def set_apart(self, asked: Asked, why: Apart) -> None:
        """Count a decision that cannot be replayed."""
        self.decisions += 1
        self.apart[why.reason] += 1
        self.missing.update(".".join(path) for path in why.paths)
        self._count(asked, why.reason, (), ())
        self._exemplify(
            why.reason, Example(asked.intent_id, asked.tenant, asked.route, asked.hook.value, asked.said.effective if asked.said else "?", "?", (), ())
        )

    def compare(self, asked: Asked, sides: tuple[Said, Said], kind: str, rules: Iterable[str], changes: Iterable[str]) -> None:
        """Count a decision that was replayed. ``sides`` are the verdict before and the candidate's; ``rules`` and ``changes`` may be shown."""
        before, after = sides
        self.decisions += 1
        self.kinds[kind] += 1
        self.escalated_before += before.effective == "escalate"
        self.escalated_after += after.effective == "escalate"
        if asked.hook is Hook.INTENT:
            self._price(kind, before, asked)
        rules, changes = tuple(rules), tuple(changes)
        self._count(asked, kind, rules, changes)
        if kind != UNCHANGED:
            self._exemplify(kind, Example(asked.intent_id, asked.tenant, asked.route, asked.hook.value, before.effective, after.effective, rules, changes))

    def _price(self, kind: str, before: Said, asked: Asked) -> None:
        if kind == NEWLY_DENIED and before.effective == "allow":
            self.saved_microusd += asked.cost_microusd or 0
        elif kind == NEWLY_ALLOWED and asked.cost_microusd:
            self.added_microusd += asked.cost_microusd
        elif kind == NEWLY_ALLOWED:
            self.unpriced[asked.route] += 1

    def _count(self, asked: Asked, kind: str, rules: tuple[str, ...], changes: tuple[str, ...]) -> None:
        self.by["tenant", kind, asked.tenant] += 1
        self.by["route", kind, asked.route] += 1
        self.by["hook", kind, asked.hook.value] += 1
        for dimension, names in (("rule", rules), ("change", changes)):
            for name in names:
                self.by[dimension, kind, name] += 1

    def _exemplify(self, kind: str, example: Example) -> None:
        kept = self.examples.setdefault(kind, [])
        kept.append(example)
        if len(kept) > EXAMPLES:
            kept.sort(reverse=True)
            del kept[EXAMPLES:]

    def merge(self, other: Tally) -> None:
        """Add what another tally counted."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            elif isinstance(mine, int):
                setattr(self, name, mine + theirs)
        for kind, examples in other.examples.items():
            for example in examples:
                self._exemplify(kind, example)


def _rounded(microusd: int) -> int:
    """To three significant figures."""
    scale: int = 10 ** max(0, len(str(microusd)) - 3)
    return round(microusd / scale) * scale
