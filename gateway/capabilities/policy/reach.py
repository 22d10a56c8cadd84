"""Which rules need which: what a verdict can reach, and from which hooks a rule is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.capabilities.policy.contract import VERDICT_RULES
from gateway.capabilities.policy.syntax import Path, Program
from gateway.domain import Hook


class Reach:
    """The rules of a program as a graph."""

    __slots__ = ("hooks", "uses")

    def __init__(self, program: Program) -> None:
        self.uses: Mapping[Path, set[Path]] = {key: _used(program, key) for key in program.rules}
        """By rule, the rules that it refers to."""
        found: dict[Path, set[Hook]] = {}
        for hook, rule in VERDICT_RULES.items():
            for key in self.of([tuple(rule.split("."))[1:]]):
                found.setdefault(key, set()).add(hook)
        self.hooks: Mapping[Path, set[Hook]] = found
        """By rule, the hooks whose verdict reaches it; a rule that none reaches is missing."""

    def of(self, starts: Iterable[Path]) -> set[Path]:
        """Everything that is reached from some rules, themselves among it."""
        seen: set[Path] = set()
        waiting = [start for start in starts if start in self.uses]
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                waiting.extend(self.uses[key])
        return seen

    def needs_itself(self, key: Path) -> bool:
        """Whether evaluating a rule would need its own value."""
        return key in self.of(self.uses[key])


def _used(program: Program, key: Path) -> set[Path]:
    found: set[Path] = set()
    for rule in program.rules[key]:
        for _, reference in rule.uses():
            path = program.resolve(rule.module, str(reference.name), reference.literal)
            if path is not None and path[0] == "data" and len(path) > 1:
                found.update(program.rules_at(path[1:]))
    return found
