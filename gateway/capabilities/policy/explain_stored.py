"""Explaining a decision that was made before, from its stored input, where the policy that made it is still the one at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.contract import FIELDS
from gateway.capabilities.policy.explain import explain
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.rehearsal import DEFAULT_LIMIT_S, Rehearsal
from gateway.capabilities.policy.syntax import Path, Program
from gateway.domain import Hook, Json

REDACTED = "content in the stored input was redacted for the record, so what a rule found in it then may not be in it now"


def explain_stored(bundle: Bundle, program: Program, decided: Json, asked: Json | None, *, redacted: bool, limit_s: float = DEFAULT_LIMIT_S) -> Json:
    """Why ``bundle`` decided as it did: ``decided`` is the decision as recorded, ``asked`` its stored input.

    The answer has ``explained`` and, where that is false, ``why``; else ``rules``, ``data``, ``inputs`` and ``notes``. Blocks.
    """
    if decided.get("revision") != bundle.revision:
        return _not(f"the policy has changed since: it decided by revision {str(decided.get('revision'))[:12]}, and is {bundle.revision[:12]} now")
    if asked is None:
        return _not("the input of the decision is not on record any more")
    try:
        found = explain(Rehearsal(bundle, program, Hook(decided["hook"])), asked, limit_s=limit_s)
    except PolicyError as error:
        return _not(f"the policy could not be asked again: {error}")
    told = found.as_json()
    notes = [*told["notes"], *([REDACTED] if redacted else [])]
    if found.decision.verdict.outcome != decided.get("outcome"):
        notes.append(f"asked again, the policy says {found.decision.verdict.outcome}: the stored input is not all that it decided about")
    return {"explained": True, "why": None, **told, "notes": notes}


def _not(why: str) -> Json:
    return {"explained": False, "why": why}


def lacking(asked: Json, reads: Iterable[Path]) -> Iterator[str]:
    """The paths that rules refer to and that a stored input does not have: the policy of then did not read them, or there was nothing there."""
    for path in sorted(reads):
        for whole in _fields(path):
            if not _has(asked, whole):
                yield ".".join(("input", *whole))


def _fields(path: Path) -> Iterator[Path]:
    """A reference to a whole section is one to each of its fields."""
    fields = FIELDS.get(path[0]) if len(path) == 1 else None
    if not path:
        yield from ((section,) for section in FIELDS)
    elif fields is None:
        yield path
    else:
        yield from ((*path, field) for field in sorted(fields))


def _has(value: Any, path: Path) -> bool:
    for step in path:
        if isinstance(value, list):
            return True
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    return True
