r"""Patterns of a schema, on google-re2: linear in the text whatever the pattern.

JSON Schema means ECMA-262 patterns, unanchored. What re2 lacks of them (lookaround, backreferences) is refused when the schema is compiled; ``\u00e9`` is
rewritten to how re2 says it.
"""

from __future__ import annotations

import re
from typing import Any

import re2

from gateway.capabilities.schemas.model import Run

PATTERN_CHARACTERS = 2_000
MEMORIES = (1 << 16, 1 << 20)
"""Most bytes of memory that a pattern takes, its automaton included: the first that it fits in. All usual ones fit in the first."""
_WORK_PER_STEP = 1 << 11
"""Instructions of the compiled pattern times bytes of the text. re2 falls back to simulating each instruction on each byte (about 4 ns) where its automaton
outgrows its memory."""
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)


class PatternError(Exception):
    """A pattern that re2 cannot run; the message says why, without quoting it."""


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_compiled", "_size", "memory")

    def __init__(self, source: str) -> None:
        """Raises ``PatternError``."""
        if len(source) > PATTERN_CHARACTERS:
            raise PatternError(f"the pattern has over {PATTERN_CHARACTERS} characters")
        written = _ESCAPE.sub(_in_re2, source)
        try:
            self._compiled, self.memory = _compiled(written, MEMORIES[0]), MEMORIES[0]
        except re2.error:
            self._compiled, self.memory = _fitted(written, MEMORIES[1]), MEMORIES[1]
        self._size: int = self._compiled.programsize

    def found_in(self, text: str, run: Run) -> bool:
        """Raises ``OutOfSteps``."""
        encoded = text.encode()
        run.spend(len(encoded) * self._size // _WORK_PER_STEP)
        return self._compiled.search(encoded) is not None


class PatternProperties(dict[str, Any]):
    """The value of ``patternProperties`` with its patterns compiled."""

    __slots__ = ("compiled",)

    def __init__(self, schemas: dict[str, Any], patterns: list[Pattern]) -> None:
        super().__init__(schemas)
        self.compiled = list(zip(patterns, schemas.values(), strict=True))

    def matching(self, name: str, run: Run) -> list[Any]:
        """The subschemas for a property. Raises ``OutOfSteps``."""
        run.spend(len(self.compiled))
        return [schema for pattern, schema in self.compiled if pattern.found_in(name, run)]


def is_pattern(text: str) -> bool:
    """Whether re2 takes it."""
    try:
        Pattern(text)
    except PatternError:
        return False
    return True


def _fitted(written: str, memory: int) -> Any:
    try:
        return _compiled(written, memory)
    except re2.error as error:
        raise PatternError(_reason(error)) from None


def _compiled(written: str, memory: int) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = memory
    return re2.compile(written, options)


def _in_re2(escape: re.Match[str]) -> str:
    high, low, single, other = escape.groups()
    if other is not None:
        return escape[0]
    code = int(single, 16) if single else 0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00)
    return f"\\x{{{code:x}}}"


def _reason(error: Exception) -> str:
    """Re2's words up to the part of the pattern that it quotes."""
    told = error.args[0] if error.args else ""
    text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    return f"google-re2 cannot run the pattern ({text.partition(':')[0] or 'unknown reason'}); lookaround and backreferences have to be written otherwise"
