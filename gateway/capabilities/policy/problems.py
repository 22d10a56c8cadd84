"""What can be wrong with a policy: all of it at once, each with its place and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing to put right. ``line`` and ``col`` count from 1; 0 where the file or folder as a whole is meant."""

    file: str
    line: int
    col: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        """Render as ``intent.rego:12:4: what is wrong (what to do)``."""
        place = f"{self.file}:{self.line}:{self.col}" if self.line else self.file
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {self.what}{hint}"


class PolicyError(Exception):
    """The policy cannot be used. ``problems`` has every reason, in the order of files and lines; ``str()`` is one line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
