"""What can be wrong with a policy: all of it at once, each with its place and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """One thing to put right. ``line`` and ``col`` count from 1; 0 where the file or folder as a whole is meant."""

    file: str
    line: int
    col: int
    what: str
    hint: str = ""
    """What to write instead."""
    rule: str = ""
    """The name of the rule of the lint that is broken, such as ``builtin``; empty where the policy cannot even be read or compiled."""
    warning: bool = False
    """Whether the policy may go live all the same."""

    def __str__(self) -> str:
        """Render as ``intent.rego:12:4: what is wrong (what to do)``."""
        place = f"{self.file}:{self.line}:{self.col}" if self.line else self.file
        kind = "warning: " if self.warning else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {kind}{self.what}{hint}"

    def as_json(self) -> dict[str, Any]:
        """The problem for programs; ``rule`` is ``load`` where it has no name."""
        severity = "warning" if self.warning else "error"
        return {
            "rule": self.rule or "load",
            "severity": severity,
            "file": self.file,
            "line": self.line,
            "col": self.col,
            "message": self.what,
            "rewrite": self.hint,
        }


class PolicyError(Exception):
    """The policy cannot be used. ``problems`` has every reason, in the order of files and lines; ``str()`` is one line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
