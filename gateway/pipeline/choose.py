"""Choose: the targets that may serve the intent, in the order in which they are tried, under one attempt budget and one deadline."""

from __future__ import annotations

import random
import time

from gateway.capabilities.costs import estimate_tokens
from gateway.capabilities.embeddings import longest_of
from gateway.capabilities.routing.course import Course
from gateway.capabilities.routing.selecting import Considered, RoutingFacts, consider, settled
from gateway.domain import Reason
from gateway.errors import GatewayError, InvalidRequest, NoTarget, PolicyDenied
from gateway.pipeline.intent import Allowed, Intent
from gateway.pipeline.services import Services
from gateway.settings import Route

_CAPS = ("max_completion_tokens", "max_tokens")


def choose(services: Services, intent: Intent, allowed: Allowed) -> Course:
    """The course of the intent's attempts.

    Raises:
        PolicyDenied: Policy grants none of the route's targets.
        InvalidRequest: The request is too long for every target that is left.
        NoTarget: The route's conditions exclude every target, and it has no last resort.
    """
    route = allowed.plan.route
    order = intent.order = _settled(services, intent, allowed) or _considered(services, intent, allowed)
    return Course(
        route,
        order,
        services.breakers,
        lambda target: services.models[target].client.in_use >= services.models[target].client.options.concurrent,
        deadline=services.breakers.now() + route.deadline_s - (time.time_ns() - intent.call.received_ns) / 1e9,
        rand=random.random,
    )


def _settled(services: Services, intent: Intent, allowed: Allowed) -> tuple[Considered, ...] | None:
    """The order of the targets, where nothing about the intent can change it. No text has more tokens than bytes: what fits by its bytes fits."""
    route, obligations = allowed.plan.route, allowed.obligations
    if route.name not in services.orders:
        services.orders[route.name] = settled(route)
    known = services.orders[route.name]
    if known is None or (obligations.routes is not None and route.name not in obligations.routes):
        return None
    if known.window is not None and intent.call.size + max(_cap(intent), obligations.max_tokens or 0) > known.window:
        return None
    return known.order


def _considered(services: Services, intent: Intent, allowed: Allowed) -> tuple[Considered, ...]:
    """The order of the targets for this intent, at least one of which may be called."""
    route, obligations = allowed.plan.route, allowed.obligations
    asked, longest, cap = _sizes(intent, route, obligations.max_tokens)
    facts = RoutingFacts(
        route=route,
        granted=obligations.routes,
        labels=obligations.labels,
        categories=frozenset(finding.category for finding in allowed.inspection.findings),
        input_tokens=asked,
        longest_tokens=longest,
        output_tokens=cap,
        seed=intent.id,
    )
    order = consider(facts, lambda target: services.models[target.name].costs.estimate)
    if all(one.skipped is not None or one.repair_only for one in order):
        error = none_left(order, "input" if intent.call.embeds else "messages")
        if not isinstance(error, NoTarget) or route.last_resort is None or intent.call.embeds:
            raise error  # else nobody is called, and the last resort stands in
    return order


def none_left(order: tuple[Considered, ...], param: str) -> GatewayError:
    """Why no target may be called, as the caller is told; ``param`` is what of its request could be shorter."""
    reasons = {one.skipped for one in order if not one.repair_only}
    if reasons == {"policy.routes"}:
        return PolicyDenied((Reason("policy.route", "policy grants no target of this route to the intent"),))
    if reasons <= {"context_length", "when.max_input_tokens", "policy.routes"}:
        return InvalidRequest("the request is too long for every target of this route; shorten it", param=param, code="context_length_exceeded")
    return NoTarget("no target of this route may serve this request: the route's conditions exclude all of them", code="no_target")


def _sizes(intent: Intent, route: Route, limit: int | None) -> tuple[int, int, int]:
    """Tokens of the request, of that part of it which has to fit a context window, and of the longest answer that it may have.

    They are estimated, the request's only where a target's choice could depend on it. ``limit`` is policy's cap. Each input of an embedding has a window for
    itself, and no answer.
    """
    body = intent.call.body
    if intent.call.embeds:
        return (estimate_tokens(body), estimate_tokens(longest_of(body)), 0) if _depends(intent.call.size, route) else (0, 0, 0)
    cap = _cap(intent)
    asked = estimate_tokens(body) if _depends(intent.call.size + cap, route) else 0
    return asked, asked, cap if limit is None else min(cap or limit, limit)


def _cap(intent: Intent) -> int:
    """The most tokens that the caller lets the answer have; 0 where it does not say."""
    body = intent.call.body
    return 0 if intent.call.embeds else next((value for name in _CAPS if type(value := body.get(name)) is int and value > 0), 0)


def _depends(size: int, route: Route) -> bool:
    """Whether a choice of target could depend on the tokens of a request and its answer. No text has more of them than bytes: what fits by its bytes fits."""
    return any(
        (one.target.context_tokens is not None and size > one.target.context_tokens)
        or one.when.max_input_tokens is not None
        or one.when.max_cost_microusd is not None
        for one in route.targets
    )
