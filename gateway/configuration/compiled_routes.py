"""Targets and routes as the rest of the gateway sees them: every name already led to what it names."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from gateway.configuration.compiled_options import Assessment, BreakerLimits, Condition, NamedSchema, Retries
from gateway.configuration.compiled_queues import WAIT_S
from gateway.configuration.models_routing import TargetLimits
from gateway.configuration.secret import Secret


class Price(NamedTuple):
    """US dollars per million tokens, which is micro-USD per token."""

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model on a server, and how to ask it."""

    name: str
    client: str
    """``openai`` for a server that speaks OpenAI's API, ``litellm`` for a provider that litellm translates for."""
    provider: str | None
    """litellm's name of the provider; ``None`` exactly with client ``openai``."""
    base_url: str | None
    """Without a slash at its end; never ``None`` with client ``openai``."""
    model: str
    api_key: Secret | None
    max_tokens_field: str
    """``max_tokens`` or ``max_completion_tokens``."""
    context_tokens: int | None
    """The most tokens of input and output together; ``None`` where the config does not say."""
    limits: TargetLimits
    breaker: BreakerLimits
    price: Price | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTarget:
    """A target as one route uses it."""

    target: Target
    tier: int
    """Lower tiers are tried first."""
    weight: int
    """The order within a tier is drawn by these."""
    when: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What is done about an answer that breaks its schema, before another target is tried."""

    asks: int
    """How often a model is told what is wrong; 0 for never."""
    temperature: float | None
    """The one to ask with; ``None`` leaves it as the caller has it."""
    target: Target | None
    """The one to ask; ``None`` for the one that gave the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A name that callers use as ``model``, and what stands behind it."""

    name: str
    aliases: tuple[str, ...]
    description: str
    targets: tuple[RouteTarget, ...]
    """By tier, then as written; at least one. Targets that are not in use are not among them."""
    attempts: int
    """The most calls of targets for one intent, whatever they are for."""
    deadline_s: float
    """For all of them together."""
    retries: Retries
    hedge_after_s: float | None
    """``None`` where no target is ever asked beside another."""
    schema: NamedSchema | None
    repair: Repair
    assessment: Assessment | None
    """``None`` where answers are not assessed."""
    last_resort: str | None
    """The text of the answer that is given where no target gave one."""
    wait_s: float = WAIT_S
    """How long a caller waits for a person, if it says nothing else; 0 for not at all."""
    buffered: bool = False
    """Whether streams are held back until the whole answer was judged."""

    @property
    def first(self) -> Target:
        """The first target as written, of the lowest tier: the one that is named where nothing was tried yet."""
        return self.targets[0].target
