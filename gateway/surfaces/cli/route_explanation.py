"""What would become of one request: which targets come in which order, which of them are passed over and why, and by what bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.capabilities.costs import CostMeter, estimate_tokens
from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.routing import selecting
from gateway.capabilities.routing.selecting import Considered, RoutingFacts, consider
from gateway.domain import Json
from gateway.settings import Condition, Route
from gateway.surfaces.cli.route_words import about, number, plural, usd

BREAKERS = "breakers, calls that run and Retry-After are known to each serving process alone, and not to this command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A request, and the targets of its route in the order in which they would be tried."""

    asked: str
    """The name that the request uses."""
    facts: RoutingFacts
    order: tuple[Considered, ...]
    costs: Mapping[str, int | None]
    """By target, in micro-USD; ``None`` where the price is not known."""
    findings: Mapping[str, int]
    """Values found, by category."""
    unscanned: tuple[str, ...]
    """What could not be scanned: ``messages[0].content[1] (image)``."""

    @property
    def taken(self) -> str | None:
        """The target that would be called first; ``None`` where none may be."""
        return next((each.target.name for each in self.order if each.skipped is None and not each.repair_only), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What the gateway would learn from policy, as the command line has it."""

    granted: tuple[str, ...] | None
    labels: Mapping[str, str]
    intent: str
    """The intent's id, by which the order within a tier is drawn."""


def explain(body: Json, route: Route, inspection: Inspection, meters: Mapping[str, CostMeter], assumed: Assumed) -> Explanation:
    """Look at ``body``, a chat request that asks for ``route``, as the gateway would."""
    findings: dict[str, int] = {}
    for found in inspection.findings:
        findings[found.category] = findings.get(found.category, 0) + found.count
    caps = (body.get(name) for name in ("max_completion_tokens", "max_tokens"))
    facts = RoutingFacts(
        route=route,
        granted=assumed.granted,
        labels=assumed.labels,
        categories=frozenset(findings),
        input_tokens=estimate_tokens(body),
        output_tokens=next((cap for cap in caps if type(cap) is int and cap > 0), 0),
        seed=assumed.intent,
    )
    order = consider(facts, lambda target: meters[target.name].estimate)
    return Explanation(
        asked=body["model"],
        facts=facts,
        order=order,
        costs={each.target.name: meters[each.target.name].estimate(facts.input_tokens, facts.output_tokens) for each in order},
        findings=dict(sorted(findings.items())),
        unscanned=tuple(f"{each.where} ({each.kind})" for each in inspection.unscanned),
    )


def as_lines(found: Explanation) -> Iterator[str]:
    """The explanation for people."""
    facts, route = found.facts, found.facts.route
    yield f"route      {route.name}" + (f", asked for as {found.asked}" if found.asked != route.name else "")
    cap = f", and up to {number(facts.output_tokens)} of output" if facts.output_tokens else ", and no limit on its output"
    yield f"request    about {plural(facts.input_tokens, 'token')} of input{cap}"
    yield f"findings   {', '.join(f'{category} {count}' for category, count in found.findings.items()) or 'none'}"
    if found.unscanned:
        yield f"unscanned  {', '.join(found.unscanned)}"
    yield f"policy     is taken to grant {_list(facts.granted)}, with {_labels(facts.labels)}"
    yield from _target_lines(found)
    for index, line in enumerate(about(route)):
        yield f"{'' if index else 'bounds':<11}{line}"
    yield f"unknown    {BREAKERS}"


def _target_lines(found: Explanation) -> Iterator[str]:
    after = False
    for each in found.order:
        yield f"target     {each.target.name}: {_place(found, each)}; {_verdict(found, each, after=after)}"
        after = after or (each.skipped is None and not each.repair_only)
    if not after:
        yield "           no target may serve this request: it would be refused, and no last resort covers that up"


def as_json(found: Explanation) -> dict[str, Any]:
    """The explanation for programs: ``skipped`` is the reason's name as on records, ``why`` the same in words."""
    facts, route = found.facts, found.facts.route
    return {
        "asked": found.asked,
        "route": route.name,
        "takes": found.taken,
        "input_tokens": facts.input_tokens,
        "output_tokens": facts.output_tokens,
        "findings": found.findings,
        "unscanned": found.unscanned,
        "granted": facts.granted,
        "labels": facts.labels,
        "intent": facts.seed,
        "targets": [_target(found, each) for each in found.order],
        "attempts": route.attempts,
        "deadline_s": route.deadline_s,
        "retries": {name: getattr(route.retries, name) for name in ("max", "backoff_s", "backoff_max_s", "retry_after_max_s")},
        "hedge_after_s": route.hedge_after_s,
        "schema": route.schema.name if route.schema else None,
        "repair": {"asks": route.repair.asks, "temperature": route.repair.temperature, "target": route.repair.target.name if route.repair.target else None},
        "confidence": {"samples": route.assessment.samples, "logprobs": route.assessment.logprobs} if route.assessment else None,
        "last_resort": route.last_resort is not None,
        "not_known": BREAKERS,
    }


def _target(found: Explanation, each: Considered) -> dict[str, Any]:
    return {
        "target": each.target.name,
        "model": each.target.model,
        "tier": each.tier,
        "weight": _weight(found, each)[0],
        "repairs_only": each.repair_only,
        "cost_microusd": found.costs[each.target.name],
        "min_remaining_s": each.min_remaining_s,
        "skipped": each.skipped,
        "why": why(found, each) if each.skipped else None,
    }


def _place(found: Explanation, each: Considered) -> str:
    cost = found.costs[each.target.name]
    weight, total = _weight(found, each)
    share = f", weight {weight} of {total}" if weight != total else ""
    return f"tier {each.tier}{share}; about {usd(cost)}" if cost is not None else f"tier {each.tier}{share}; price not known"


def _weight(found: Explanation, each: Considered) -> tuple[int, int]:
    """The target's weight, and that of its tier."""
    tier = [entry for entry in found.facts.route.targets if entry.tier == each.tier]
    own = next((entry.weight for entry in tier if entry.target.name == each.target.name), 1)
    return own, sum(entry.weight for entry in tier) or own


def _verdict(found: Explanation, each: Considered, *, after: bool) -> str:
    if each.skipped is not None:
        return f"skipped ({each.skipped}): {why(found, each)}"
    if each.repair_only:
        return "for repairs alone"
    left = f", if {number(each.min_remaining_s)} s of the deadline are left" if each.min_remaining_s else ""
    return f"{'next, where those before it fail' if after else 'TAKEN'}{left}"


def why(found: Explanation, each: Considered) -> str:
    """Why a target is passed over, with what was needed and what there is."""
    facts, target = found.facts, each.target
    when = next((entry.when for entry in facts.route.targets if entry.target.name == target.name and entry.tier == each.tier), Condition())
    needed, cost = facts.input_tokens + facts.output_tokens, found.costs[target.name]
    price = "its price is not known" if cost is None else f"the call would cost {usd(cost)}"
    words = {
        selecting.POLICY: f"policy grants {_list(facts.granted)}",
        selecting.LABELS: "; ".join(_label(name, values, facts.labels) for name, values in when.labels.items() if facts.labels.get(name) not in values),
        selecting.WITHOUT: f"the request has {', '.join(sorted(when.without & facts.categories))}",
        selecting.CONTEXT: f"the request needs {number(needed)} tokens of context, it has {number(target.context_tokens or 0)}",
        selecting.MAX_INPUT: f"the request has {number(facts.input_tokens)} tokens of input, it takes {number(when.max_input_tokens or 0)}",
        selecting.MAX_COST: f"{price}, it may cost {usd(when.max_cost_microusd or 0)}",
    }
    return words.get(each.skipped or "", "")


def _label(name: str, values: frozenset[str], labels: Mapping[str, str]) -> str:
    return f"label {name} has to be {' or '.join(sorted(values))}, it is {labels.get(name) or 'not set'}"


def _list(granted: Sequence[str] | None) -> str:
    return "all targets" if granted is None else ", ".join(granted) or "no target"


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"label {name}={value}" for name, value in labels.items()) or "no labels"
