"""The score: a weighted mean of the evidence, pulled towards neutral, lowered by each penalty.

    base  = (0.5 * 0.5 + sum(weight * evidence)) / (0.5 + sum(weight))
    score = base * product(1 - weight * penalty)

Every step is a monotone operation on non-negative floats in a fixed order, so the score is monotone in each signal exactly, not only up to rounding.
``docs/confidence.md`` argues for the form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.settings import ConfidenceWeights

NEUTRAL: Final = 0.5
"""Where the score stands without evidence: neither trusted nor distrusted."""

NEUTRAL_WEIGHT: Final = 0.5
"""How strongly evidence has to pull: as much as one self-report counts by default. It keeps one weak signal alone from reaching 0 or 1."""

_MOST_COUNTED: Final = 64
"""Repairs or tool errors: more of them make no difference."""

_DIGITS: Final = 4
"""Of the score: more would suggest a precision that it does not have."""

_NO_EVIDENCE: Final = (None, None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is known about an answer besides what it says. ``None`` means that nobody knows, not that it is bad."""

    logprobs: float | None = None
    """Geometric mean probability of the answer's tokens, in [0, 1]."""
    agreement: float | None = None
    """How far other answers to the same question say the same, in [0, 1]."""
    schema_valid: bool | None = None
    """``None`` where no schema was asked for."""
    repairs: int = 0
    """How often the model was asked again because its answer broke the schema."""
    self_reported: float | None = None
    """What the answer says of itself, in [0, 1]."""
    truncated: bool = False
    refusal: bool = False
    fallback: bool = False
    """Another target than the first of the route answered."""
    tool_errors: int = 0
    """Failed tool results that the answer rests on."""

    @property
    def known(self) -> bool:
        """Whether there is any signal at all."""
        evidence = (self.logprobs, self.agreement, self.schema_valid, self.self_reported)
        return evidence != _NO_EVIDENCE or bool(self.truncated or self.refusal or self.fallback or self.tool_errors)

    def facts(self) -> dict[str, Any]:
        """Only what is a signal, by name: for the answer hook and the record. Empty where there is none."""
        facts: dict[str, Any] = {}
        if self.logprobs is not None:
            facts["logprobs"] = self.logprobs
        if self.agreement is not None:
            facts["agreement"] = self.agreement
        if self.schema_valid is not None:
            facts["schema_valid"] = self.schema_valid
            facts["repairs"] = self.repairs
        if self.self_reported is not None:
            facts["self_reported"] = self.self_reported
        if self.truncated or self.refusal or self.fallback or self.tool_errors:
            penalties = {"truncated": self.truncated, "refusal": self.refusal, "fallback": self.fallback, "tool_errors": self.tool_errors}
            facts |= {name: value for name, value in penalties.items() if value}
        return facts


def score(signals: Signals, weights: ConfidenceWeights) -> float | None:
    """How far to trust an answer: in [0, 1], four decimals; ``None`` where there is no signal at all.

    Weights are 0 or more (the config allows 100 at most). A penalty that its weight raises above 1 counts as 1, which leaves nothing of the score.
    """
    if not signals.known:
        return None
    weight, total = NEUTRAL_WEIGHT, NEUTRAL_WEIGHT * NEUTRAL
    for share, value in (
        (weights.logprobs, signals.logprobs),
        (weights.agreement, signals.agreement),
        (weights.schema, _schema(signals)),
        (weights.self_reported, signals.self_reported),
    ):
        if value is not None:
            weight += share
            total += share * _unit(value)
    result = total / weight
    result *= 1.0 - _unit(weights.truncated * signals.truncated)
    result *= 1.0 - _unit(weights.refusal * signals.refusal)
    result *= 1.0 - _unit(weights.fallback * signals.fallback)
    result *= 1.0 - _unit(weights.tool_errors * (1.0 - 0.5 ** min(max(signals.tool_errors, 0), _MOST_COUNTED)))
    return round(_unit(result), _DIGITS)


def _schema(signals: Signals) -> float | None:
    """An answer that met its schema at once is 1, each repair that it took makes it less, one that breaks it is 0."""
    if signals.schema_valid is None:
        return None
    return 1.0 / (1 + min(max(signals.repairs, 0), _MOST_COUNTED)) if signals.schema_valid else 0.0


def _unit(value: float) -> float:
    """Into [0, 1]. What is not a number is 0: a signal that went wrong never speaks for an answer."""
    return min(value, 1.0) if value > 0.0 else 0.0
