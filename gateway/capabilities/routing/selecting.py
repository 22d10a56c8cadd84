"""The order in which the targets of a route come for one request, and what stands against each of them before anything was tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from gateway.settings import Condition, Route, RouteTarget, Target

POLICY: Final = "policy.routes"
LABELS: Final = "when.labels"
WITHOUT: Final = "when.without"
CONTEXT: Final = "context_length"
MAX_INPUT: Final = "when.max_input_tokens"
MAX_COST: Final = "when.max_cost"
REASONS: Final = (POLICY, LABELS, WITHOUT, CONTEXT, MAX_INPUT, MAX_COST)
"""Why a target can be passed over for a request, in the order in which they are looked at."""

Estimate: TypeAlias = Callable[[int, int], int | None]
"""Micro-USD for so many tokens of input and of output; ``None`` where the price is not known."""

_NO_CONDITION: Final = Condition()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingFacts:
    """What is known of a request when its targets are chosen."""

    route: Route
    granted: tuple[str, ...] | None = None
    """The verdict's ``routes``: ``ROUTE`` grants all of a route's targets, ``ROUTE/TARGET`` one of them; ``None`` grants all."""
    labels: Mapping[str, str]
    """What the verdict labelled the intent with."""
    categories: frozenset[str]
    """Categories of what was found in the request, whether or not it is redacted for the target."""
    input_tokens: int
    longest_tokens: int | None = None
    """Of the longest part of the request that has a context window for itself, as each input of an embedding has; ``None`` where that is the whole."""
    output_tokens: int
    """The most that the request lets the answer have; 0 where it sets no limit."""
    seed: str
    """The intent's id: the same seed draws the same order."""


class Considered(NamedTuple):
    """A target of the route, in its place, and what stands against it."""

    target: Target
    tier: int
    skipped: str | None
    """One of ``REASONS``; ``None`` where it may be called."""
    min_remaining_s: float = 0.0
    """It is not worth calling with less time left than this."""
    repair_only: bool = False
    """The route's target for repairs, which is none of its targets otherwise."""


class Settled(NamedTuple):
    """The order of a route that is the same for every request which policy does not send elsewhere, and which fits."""

    order: tuple[Considered, ...]
    window: int | None
    """Tokens of the smallest context window; ``None`` where none is known. What has no more bytes than this fits every target."""


def settled(route: Route) -> Settled | None:
    """The settled order of a route whose tiers have one target each and no conditions; ``None`` where each request has to be considered."""
    if len({each.tier for each in route.targets}) < len(route.targets) or any(each.when != _NO_CONDITION for each in route.targets):
        return None
    facts = RoutingFacts(route=route, labels={}, categories=frozenset(), input_tokens=0, output_tokens=0, seed="")
    order = consider(facts, lambda _: lambda _input, _output: None)
    return Settled(order, min((each.target.context_tokens for each in order if each.target.context_tokens is not None), default=None))


def consider(facts: RoutingFacts, costs: Callable[[Target], Estimate]) -> tuple[Considered, ...]:
    """Every target of the route in the order in which they come: by tier, within a tier drawn by weight.

    The target for repairs comes last if it is none of the others. ``costs`` is asked only for targets with a limit of cost.
    """
    route = facts.route
    found = [
        Considered(each.target, each.tier, _against(facts, each.target, each.when, costs), each.when.min_remaining_s or 0.0)
        for each in drawn(route.targets, facts.seed)
    ]
    repair = route.repair.target if route.repair.asks else None
    if repair is not None and all(each.target.name != repair.name for each in found):
        tier = found[-1].tier + 1
        found.append(Considered(repair, tier, _against(facts, repair, _NO_CONDITION, costs), repair_only=True))
    return tuple(found)


def with_windows(route: Route, windows: Mapping[str, int]) -> Route:
    """``route`` with the context window that is known by model (tokens) on each target whose config states none. Once, at the start."""

    def known(target: Target) -> Target:
        return replace(target, context_tokens=target.context_tokens or windows.get(target.model))

    repair = route.repair if route.repair.target is None else replace(route.repair, target=known(route.repair.target))
    return replace(route, targets=tuple(replace(each, target=known(each.target)) for each in route.targets), repair=repair)


def drawn(targets: Sequence[RouteTarget], seed: str) -> Sequence[RouteTarget]:
    """``targets`` (ascending by tier) with each tier in a random order in which a target's chance to come next is its share of the weight that is left.

    It depends on ``seed`` and the names alone, so that it can be told again. The method is that of Efraimidis and Spirakis ("Weighted random sampling with
    a reservoir", 2006): ascending by ``-ln(u) / weight``, where ``u`` in (0, 1) is the BLAKE2b hash of seed and name. Leaving targets out does not change
    the order of the others, nor the odds among them.
    """
    if len({each.tier for each in targets}) == len(targets):
        return targets
    return sorted(targets, key=lambda each: (each.tier, _draw(seed, each)))


def _draw(seed: str, each: RouteTarget) -> float:
    digest = blake2b(f"{seed}\0{each.target.name}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest) + 0.5) / 2**64
    return -math.log(uniform) / each.weight


def _against(facts: RoutingFacts, target: Target, when: Condition, costs: Callable[[Target], Estimate]) -> str | None:
    """The first reason against ``target``, if there is one. What is not known counts against it: a label that is not set, a price that nobody knows."""
    granted = facts.granted
    if granted is not None and facts.route.name not in granted and f"{facts.route.name}/{target.name}" not in granted:
        return POLICY
    if when.labels and any(facts.labels.get(name) not in values for name, values in when.labels.items()):
        return LABELS
    if not when.without.isdisjoint(facts.categories):
        return WITHOUT
    return _too_large(facts, target, when) or _too_dear(facts, target, when, costs)


def _too_large(facts: RoutingFacts, target: Target, when: Condition) -> str | None:
    window = target.context_tokens
    longest = facts.input_tokens if facts.longest_tokens is None else facts.longest_tokens
    if window is not None and longest + facts.output_tokens > window:
        return CONTEXT
    return MAX_INPUT if when.max_input_tokens is not None and facts.input_tokens > when.max_input_tokens else None


def _too_dear(facts: RoutingFacts, target: Target, when: Condition, costs: Callable[[Target], Estimate]) -> str | None:
    if when.max_cost_microusd is None:
        return None
    cost = costs(target)(facts.input_tokens, facts.output_tokens)
    return MAX_COST if cost is None or cost > when.max_cost_microusd else None
