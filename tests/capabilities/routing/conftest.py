"""Routes and targets in a few words, and a clock that only moves when it is told to."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.capabilities.routing.selecting import Considered
from gateway.configuration.models_routing import TargetLimits
from gateway.settings import BreakerLimits, Condition, Repair, Retries, Route, RouteTarget, Target

NOTHING = Condition()
NO_REPAIR = Repair(asks=0, temperature=None, target=None)


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def target(name: str, *, context_tokens: int | None = None, breaker: BreakerLimits | None = None) -> Target:
    return Target(
        name=name,
        client="openai",
        provider=None,
        base_url="http://127.0.0.1:9/v1",
        model=f"model-of-{name}",
        api_key=None,
        max_tokens_field="max_tokens",
        context_tokens=context_tokens,
        limits=TargetLimits(connect_s=5, first_token_s=60, total_s=600, concurrent=256),
        breaker=breaker or BreakerLimits(),
        price=None,
    )


def entry(name: str, tier: int = 1, weight: int = 1, when: Condition = NOTHING, *, context_tokens: int | None = None) -> RouteTarget:
    return RouteTarget(target=target(name, context_tokens=context_tokens), tier=tier, weight=weight, when=when)


def route(*targets: RouteTarget, attempts: int = 6, retries: Retries | None = None, repair: Repair = NO_REPAIR, deadline_s: float = 600.0) -> Route:
    return Route(
        name="assistant",
        aliases=(),
        description="",
        targets=targets,
        attempts=attempts,
        deadline_s=deadline_s,
        retries=retries or Retries(),
        hedge_after_s=None,
        schema=None,
        repair=repair,
        assessment=None,
        last_resort=None,
    )


def names(order: Iterable[RouteTarget | Considered]) -> list[str]:
    return [each.target.name for each in order]
