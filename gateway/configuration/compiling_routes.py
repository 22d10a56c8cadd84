"""Targets and routes of the file to those of ``compiled_routes``. Nothing can be wrong here any more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from gateway.configuration.compiled import LeftOut
from gateway.configuration.compiled_options import Assessment, BreakerLimits, Condition, ConfidenceWeights, NamedSchema, Retries
from gateway.configuration.compiled_routes import Price, Repair, Route, RouteTarget, Target
from gateway.configuration.models_routing import ConditionShape, ConfidenceWeightsShape, PriceShape, RouteShape, RouteTargetShape, TargetShape
from gateway.configuration.problems import Where, dotted
from gateway.configuration.references import Resolved
from gateway.configuration.source import Document


def compile_target(name: str, shape: TargetShape, resolved: Resolved) -> Target:
    """One target."""
    base_url = resolved.texts.get(("targets", name, "base_url"), shape.base_url)
    return Target(
        name=name,
        client=shape.client,
        provider=shape.provider,
        base_url=None if base_url is None else base_url.rstrip("/"),
        model=resolved.texts.get(("targets", name, "model"), shape.model),
        api_key=resolved.secrets.get(("targets", name, "api_key")),
        max_tokens_field=shape.max_tokens_field,
        context_tokens=shape.context_tokens,
        limits=shape.limits,
        breaker=BreakerLimits(**dict(shape.breaker)),
        price=_price(shape.price) if shape.price else None,
    )


def compile_route(name: str, shape: RouteShape, targets: Mapping[str, Target], schemas: Mapping[str, NamedSchema]) -> Route | None:
    """One route, with those of its targets that are in use; ``None`` where none is."""
    entries = [RouteTarget(target=targets[entry.target], tier=tier, weight=entry.weight, when=_condition(entry.when)) for tier, entry in _tiers(shape, targets)]
    if not entries:
        return None
    return Route(
        name=name,
        aliases=shape.aliases,
        description=shape.description,
        targets=tuple(sorted(entries, key=lambda entry: entry.tier)),
        attempts=shape.attempts,
        deadline_s=shape.deadline_s,
        retries=Retries(**dict(shape.retries)),
        hedge_after_s=shape.hedge_after_s,
        schema=schemas[shape.schema_name] if shape.schema_name else None,
        repair=Repair(asks=shape.repair.asks, temperature=shape.repair.temperature, target=targets.get(shape.repair.target or "")),
        assessment=Assessment(**dict(shape.confidence)) if shape.confidence else None,
        last_resort=_text(shape.last_resort),
        wait_s=shape.wait_s,
        buffered=shape.buffered,
    )


def compile_weights(shape: ConfidenceWeightsShape) -> ConfidenceWeights:
    """The weights of the score."""
    return ConfidenceWeights(**shape.model_dump(by_alias=True))


def left_out(document: Document, routes: Mapping[str, RouteShape], resolved: Resolved) -> Iterator[LeftOut]:
    """What is not in use: optional targets, entries of routes that lead to them, routes that have no other."""
    gone = resolved.left_out

    def part(where: Where, why: str) -> LeftOut:
        return LeftOut(dotted(where), why, document.line(where))

    yield from (part(("targets", name), why) for name, why in gone.items())
    for name, route in routes.items():
        entries = entries_of(route)
        if all(entry.target in gone for entry in entries):
            what = f"target {entries[0].target} is" if len(entries) == 1 else f"its targets {', '.join(entry.target for entry in entries)} are"
            yield part(("routes", name), f"{what} left out")
            continue
        yield from (
            part(("routes", name, "targets", index), f"target {entry.target} is left out") for index, entry in enumerate(entries) if entry.target in gone
        )
        if route.repair.target in gone:
            yield part(("routes", name, "repair", "target"), f"target {route.repair.target} is left out; the target whose answer it was repairs it")


def entries_of(shape: RouteShape) -> tuple[RouteTargetShape, ...]:
    """The targets of a route as written, the short form too."""
    return shape.targets if shape.targets is not None else (RouteTargetShape.model_validate({"target": shape.target}),)


def _tiers(shape: RouteShape, targets: Mapping[str, Target]) -> Iterator[tuple[int, RouteTargetShape]]:
    """The entries that are in use, each with its tier. Places count what is left out, too: it changes nothing about the rest."""
    for place, entry in enumerate(entries_of(shape), start=1):
        if entry.target in targets:
            yield entry.tier or place, entry


def _condition(shape: ConditionShape) -> Condition:
    return Condition(
        labels=MappingProxyType({name: frozenset(values) for name, values in shape.labels.items()}),
        without=frozenset(shape.without),
        max_input_tokens=shape.max_input_tokens,
        max_cost_microusd=None if shape.max_cost_usd is None else int(Decimal(repr(shape.max_cost_usd)) * 1_000_000),
        min_remaining_s=shape.min_remaining_s,
    )


def _price(shape: PriceShape) -> Price:
    """Decimals as written: ``0.15`` is 15 hundredths, not the nearest binary fraction."""
    return Price(Decimal(repr(shape.input_usd_per_mtok)), Decimal(repr(shape.output_usd_per_mtok)))


def _text(last_resort: Any) -> str | None:
    return last_resort if last_resort is None or isinstance(last_resort, str) else json.dumps(last_resort, ensure_ascii=False, separators=(",", ":"))
