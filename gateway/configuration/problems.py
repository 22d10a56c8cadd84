"""What can be wrong with a config file: all of it at once, each problem with the line that it stands on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Where = tuple[str | int, ...]
"""The path of a key in the file: ``("routes", "assistant", "target")``."""


class Problem(NamedTuple):
    """One thing to put right. It never quotes a value that could be a secret."""

    file: str
    line: int
    where: str
    """The path of the key, dotted; empty where the file as a whole is meant."""
    what: str
    hint: str = ""

    def __str__(self) -> str:
        """Render as ``config.yaml:12: routes.assistant.target: no target named 'simulatd' (did you mean 'simulated'?)``."""
        where = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}: {where}{self.what}{hint}"


class SettingsError(Exception):
    """The config cannot be used. ``problems`` has every reason, in the order of the file; ``str()`` is one line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.line, problem.where, problem.what)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(where: Where) -> str:
    """``("routes", "a", "aliases", 0)`` as ``routes.a.aliases[0]``."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(name: str, known: Iterable[str], *, listing: bool = True) -> str:
    """A hint that names the known name most like ``name``, else all known names if they are few and ``listing``, else nothing."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(names)}" if listing and 0 < len(names) <= 12 else ""
