"""One compiled schema, and what it says of a text. Nothing of the text's content is in what it says: places and keywords of the schema only."""

from __future__ import annotations

from typing import Any

from gateway.capabilities.schemas.extraction import extract, parse
from gateway.capabilities.schemas.library import Dialect
from gateway.capabilities.schemas.model import FAILURES, FALSE, STEPS, TEXT_CHARACTERS, VALUE_DEPTH, Checked, Failure, OutOfSteps, shortened, step_into
from gateway.capabilities.schemas.structure import Structure
from gateway.domain import Json

_NOT_JSON = (Failure("", "json"),)
_TOO_LARGE = (Failure("", "size"),)
_TOO_DEEP = (Failure("", "depth"),)


class _Unfinished(Exception):
    """A check has used up its steps; ``checked`` is how far it came."""

    def __init__(self, checked: Checked) -> None:
        super().__init__()
        self.checked = checked


class AnswerSchema:
    """What an answer has to be. Any thread may use it."""

    def __init__(self, digest: str, document: Json, structure: Structure, dialect: Dialect) -> None:
        self.digest = digest
        """SHA-256 in hex of the schema's canonical bytes."""
        self.document = document
        """The schema with its keys in the order in which it was first given, not to be changed; ``true`` is ``{}``, ``false`` is ``{"not": {}}``."""
        self.pattern_bytes = structure.pattern_bytes
        """Most bytes of memory that its patterns take."""
        self._structure = structure
        self._dialect = dialect
        self._validator = dialect.validator(structure.root)

    def check(self, text: str, steps: int = STEPS) -> Checked:
        """Whether a text is JSON, or holds one JSON value, that meets the schema. Takes at most about half a second, whatever the text."""
        try:
            return self._checked(text, steps)
        except _Unfinished as unfinished:
            return unfinished.checked

    def check_quickly(self, text: str, steps: int) -> Checked | None:
        """As ``check`` where so many steps are enough, and ``None`` where they are not: nothing is known then."""
        try:
            return self._checked(text, steps)
        except _Unfinished:
            return None

    def _checked(self, text: str, steps: int) -> Checked:
        if len(text) > TEXT_CHARACTERS:
            return Checked(_TOO_LARGE, None, None)
        found, extracted = parse(text), None
        if found is None:
            found = extract(text)
            if found is None:
                return Checked(_NOT_JSON, None, None)
            extracted = found.text
        if _too_deep(found.text, found.value):
            return Checked(_TOO_DEEP, found.value, extracted)
        try:
            return Checked(self._failures(found.value, steps), found.value, extracted)
        except _Unfinished as unfinished:
            unfinished.checked = unfinished.checked._replace(value=found.value, extracted=extracted)
            raise

    def _failures(self, value: Any, steps: int = STEPS) -> tuple[Failure, ...]:
        """One for each place in the schema, outermost first: a thousand items that fail alike are one failure. Raises ``_Unfinished``."""
        failures: dict[Failure, None] = {}
        try:
            for fault in self._dialect.run(self._validator, value, steps):
                failures[self._failure(fault)] = None
        except OutOfSteps:
            raise _Unfinished(Checked(_first(failures) or _TOO_LARGE, value, None)) from None
        except RecursionError:
            return _first(failures) or _TOO_DEEP
        return _first(failures)

    def _failure(self, fault: Any) -> Failure:
        where = self._structure.where(fault.schema)
        if fault.validator == FALSE:
            return Failure(shortened(where), "false")
        return Failure(shortened(step_into(where, fault.validator)), fault.validator)


def _first(failures: dict[Failure, None]) -> tuple[Failure, ...]:
    return tuple(sorted(failures, key=lambda failure: (failure.where.count("/"), failure.where))[:FAILURES])


def _too_deep(text: str, value: Any) -> bool:
    if type(value) not in {dict, list} or text.count("[") + text.count("{") <= VALUE_DEPTH:
        return False
    level = [value]
    for _ in range(VALUE_DEPTH):
        level = [inner for part in level for inner in (part.values() if type(part) is dict else part) if type(inner) in {dict, list}]
        if not level:
            return False
    return True
