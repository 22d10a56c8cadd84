"""What the parts of the package hand to each other, and the bounds that hold whatever a schema or an answer says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

SCHEMA_BYTES = 262_144
"""Most bytes of a schema as JSON without spaces."""
SCHEMA_DEPTH = 64
"""Most levels of objects and arrays in a schema, and most subschemas that apply to one and the same value through each other."""
SCHEMA_NODES = 10_000
"""Most values in a schema, keys not counted."""
SCHEMA_PATTERNS = 500
PATTERN_BYTES = 32 << 20
"""Most bytes of memory that the patterns of a schema take: a short pattern can stand for ten thousand instructions."""
TEXT_CHARACTERS = 4_194_304
"""Most characters of a text that is checked."""
VALUE_DEPTH = 100
STEPS = 100_000
"""Units of work in one check: a keyword or a subschema applied to a value is one; long texts and large values cost more. All take about half a second."""
FAILURES = 10
_STEPS_OF_A_FAULT = 16
POINTER_CHARACTERS = 400


class SchemaProblem(Exception):
    """A schema that cannot be used. ``where``: a JSON pointer into it; ``what``: a sentence that quotes no value."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where or 'the schema'}: {what}")
        self.where = where
        self.what = what


class Failure(NamedTuple):
    """A place in the schema that an answer does not meet."""

    where: str
    """JSON pointer into the schema, to the keyword; empty where no keyword is to blame."""
    keyword: str
    """The keyword, or ``false`` (nothing is allowed there), ``json`` (not JSON), ``size`` or ``depth`` (too much of it to check)."""


class Checked(NamedTuple):
    """What became of a check."""

    failures: tuple[Failure, ...]
    """At most ``FAILURES``, the outermost first; empty for a valid answer."""
    value: Any
    """The parsed answer; ``None`` where it is not JSON."""
    extracted: str | None
    """The JSON text where something stood around it; ``None`` where the text itself is JSON, or has none."""


class OutOfSteps(Exception):
    """A check has used up its steps."""


class Run:
    """One check: the steps that it has left, and how it says that a keyword is not met."""

    __slots__ = ("_new_fault", "left")

    def __init__(self, new_fault: Callable[..., Exception], steps: int = STEPS) -> None:
        self._new_fault = new_fault
        self.left = steps

    def fault(self, **known: Any) -> Exception:
        """A fault to yield, ``known`` being attributes of jsonschema's error. Raises ``OutOfSteps``."""
        self.spend(_STEPS_OF_A_FAULT)
        return self._new_fault(**known)

    def spend(self, steps: int) -> None:
        """Raises ``OutOfSteps``."""
        self.left -= steps
        if self.left < 0:
            raise OutOfSteps


FALSE = "\ud800false"
"""The keyword that stands for the schema ``false`` once compiled. No schema can have it: JSON in UTF-8 has no lone surrogates."""


def forbids(schema: Any) -> bool:
    """Whether a compiled schema is ``false``."""
    return type(schema) is dict and FALSE in schema


def step_into(pointer: str, key: str | int) -> str:
    """The JSON pointer (RFC 6901) of what stands at a key of what the pointer points to."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def shortened(pointer: str) -> str:
    """A pointer for people; keys can be of any length."""
    return pointer if len(pointer) <= POINTER_CHARACTERS else pointer[:POINTER_CHARACTERS] + "..."
