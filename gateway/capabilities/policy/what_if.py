"""What a policy would decide about an input that is changed a little: as an author sets it, or the smallest change that changes the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.capabilities.policy.flip_candidates import Candidate, candidates
from gateway.capabilities.policy.input_paths import NOTHING, PathError, Steps, form_at, found_at, parse_path, parse_value, put, shown
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.rehearsal import Rehearsal
from gateway.domain import Decision, Hook, Json

MAX_TRIED: Final = 2_000
"""Most evaluations in search of a change."""
MAX_BYTES: Final = 33_554_432
"""Most JSON that all of them together may have: of an input of a megabyte, fewer changes are tried."""
FLIP_LIMIT_S: Final = 60.0


class Change(NamedTuple):
    """One field of an input and what becomes of it; ``NOTHING`` on the left adds, on the right removes."""

    path: Steps
    old: Any
    new: Any

    def as_json(self) -> Json:
        """For programs; what is not there is missing."""
        sides = {"from": self.old, "to": self.new}
        return {"path": shown(self.path), **{side: value for side, value in sides.items() if value is not NOTHING}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """What came of the search for the smallest change."""

    change: Change | None
    """``None`` where no change of one field gave another outcome."""
    decision: Decision | None
    tried: int
    """Inputs that were evaluated."""
    known: int
    """Changes that there were to try."""

    def as_json(self) -> Json:
        """For programs."""
        found = self.decision
        told: Json = {"change": self.change.as_json()} if self.change else {"change": None}
        if found is not None:
            told |= {"outcome": found.verdict.outcome, "reasons": [reason._asdict() for reason in found.verdict.reasons]}
        return {**told, "tried": self.tried, "of": self.known}


def assigned(hook: Hook, parts: Json, assignments: Sequence[str]) -> tuple[Json, list[Change]]:
    """``parts`` after assignments such as ``request.route=assistant-large``, and what they changed.

    Raises:
        PathError: One is none, or names a place or a value that the contract does not know.
    """
    changes = []
    for text in assignments:
        path, rest = parse_path(text)
        if not rest.startswith("="):
            raise PathError(f"{text[:80]!r} is no change of the input: write PATH=VALUE, such as request.stream=true")
        form = form_at(hook, path)
        try:
            value = parse_value(rest[1:], form)
            changes.append(Change(path, found_at(parts, path), value))
            parts = put(parts, path, value)
        except PathError as error:
            raise PathError(f"{shown(path)}: {error}") from None
    return parts, changes


def flip(rehearsal: Rehearsal, parts: Json, *, limit_s: float = FLIP_LIMIT_S) -> Flip:
    """The smallest change of one field of ``parts`` with which the outcome is another one.

    Smaller is, in this order: a flag turned over; a number moved (the nearer the smaller); an entry taken out of a list, then out of an object; an entry
    added; a text replaced by another that the policy knows; a value set to null. Within each, what the rules compare that field with comes first, then
    what stands elsewhere in the rules and their data. The same input and policy give the same change.

    Raises:
        PolicyError: The policy could not be asked in time.
    """
    known = list(candidates(rehearsal, parts))
    room = max(1, MAX_BYTES // max(1, len(rehearsal.document(parts) or "")))
    chosen = known[: min(MAX_TRIED, room)]
    rehearsed = rehearsal.run([parts, *(put(parts, one.path, one.new) for one in chosen)], limit_s=limit_s)
    before = rehearsed.decisions[0]
    if before is None:
        raise PolicyError(rehearsed.problems)
    tried = sum(decision is not None for decision in rehearsed.decisions[1:])
    for at, (candidate, decision) in enumerate(zip(chosen, rehearsed.decisions[1:], strict=True), start=1):
        if decision is None or at in rehearsed.faults or at in rehearsed.refused:
            continue  # an input that the policy stumbles over is no way to another outcome
        if decision.verdict.outcome != before.verdict.outcome:
            return Flip(change=_change(parts, candidate), decision=decision, tried=tried, known=len(known))
    return Flip(change=None, decision=None, tried=tried, known=len(known))


def _change(parts: Json, candidate: Candidate) -> Change:
    return Change(candidate.path, found_at(parts, candidate.path), candidate.new)
