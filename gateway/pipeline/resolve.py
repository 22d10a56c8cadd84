"""Resolve: the model that the caller named becomes a route, a target and, for a stream, the mode in which the answer leaves."""

from __future__ import annotations

from gateway.domain import StreamMode
from gateway.errors import NotFound
from gateway.pipeline.intent import Intent, Plan
from gateway.pipeline.services import Services


def resolve(services: Services, intent: Intent) -> Plan:
    """The plan for an intent.

    Raises:
        NotFound: No such route, or none that this key may use; the caller cannot tell the two apart.
    """
    route = services.routes.get(intent.call.body["model"])
    if route is None or not may_use(intent.subject.routes, route.name):
        raise NotFound("no such model for this key; GET /v1/models lists those that it may use", param="model", code="model_not_found")
    mode = stream_mode(services) if intent.call.stream else None
    return Plan(route=route, stream_mode=mode)


def may_use(granted: tuple[str, ...], route: str) -> bool:
    """Whether a key with these routes may use ``route``."""
    return route in granted or "*" in granted


def stream_mode(services: Services) -> StreamMode:
    """Buffered where the answer policy reads the content, which has to be whole then; else chunk by chunk."""
    return StreamMode.BUFFERED if services.policy.reads_answer_content else StreamMode.PASS
