"""The small frozen parts that targets and routes are compiled to. Defaults here are the defaults of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.domain import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When a target is left alone for a while because it failed."""

    failures: int = 5
    """So many within the window open the breaker."""
    window_s: float = 30.0
    open_s: float = 15.0
    """For so long nothing is sent; then probes are."""
    probes: int = 1
    """Calls that are let through at once while the breaker is half open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What has to hold for a target to be tried. Without arguments: no condition."""

    labels: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """By the name of a label, the values of which the intent must have one."""
    without: frozenset[str] = frozenset()
    """Categories that must not be found in the request."""
    max_input_tokens: int | None = None
    """Of the request, as estimated."""
    max_cost_microusd: int | None = None
    """Of the call, as estimated."""
    min_remaining_s: float | None = None
    """What must be left of the intent's deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Calls of the same target after a failure that may pass."""

    max: int = 1
    """For each target, besides its first call."""
    backoff_s: float = 0.25
    """Upper end of the first wait, which is drawn between 0 and it (full jitter); it doubles with each retry."""
    backoff_max_s: float = 8.0
    retry_after_max_s: float = 10.0
    """A target that asks for a longer wait than this is not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How the confidence in an answer is found out."""

    samples: int = 1
    """Answers to compare, the one that is given among them."""
    logprobs: bool = False
    """Whether the target is asked for the probabilities of its tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceWeights:
    """How much each signal weighs in the score of confidence; 0 leaves it out. ``docs/confidence.md`` has the formula."""

    logprobs: float = 1.0
    agreement: float = 2.0
    schema: float = 1.0
    self_reported: float = 0.5
    truncated: float = 0.6
    refusal: float = 0.8
    fallback: float = 0.1
    tool_errors: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSchema:
    """A JSON Schema of the config. Whether it is a good one is found out where it is compiled."""

    name: str
    schema: Json
