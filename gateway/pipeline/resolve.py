"""Resolve: the model that the caller named becomes a route, what its answer has to meet and, for a stream, the mode in which the answer leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from gateway.capabilities.schemas.answer_schema import AnswerSchema
from gateway.capabilities.schemas.model import SchemaProblem
from gateway.domain import StreamMode
from gateway.errors import InvalidRequest, NotFound
from gateway.pipeline.intent import Intent, Plan
from gateway.pipeline.services import Services

_PLACE = "response_format.json_schema.schema"
_SLOW = 4_096
"""Bytes of a request from which a schema may be so large that it is compiled in a thread."""
_ANY_OBJECT = {"type": "object"}
"""What ``{"type": "json_object"}`` asks for."""


async def resolve(services: Services, intent: Intent) -> Plan:
    """The plan for an intent.

    Raises:
        NotFound: No such route, or none that this key may use; the caller cannot tell the two apart.
        InvalidRequest: The schema that the caller asked for is none, or one that could do harm; ``param`` says where.
    """
    route = services.routes.get(intent.call.body["model"])
    if route is None or not may_use(intent.subject.routes, route.name):
        raise NotFound("no such model for this key; GET /v1/models lists those that it may use", param="model", code="model_not_found")
    if intent.call.embeds:
        return Plan(route=route, stream_mode=None)
    asked = await _asked(services, intent) if "response_format" in intent.call.body else None
    demanded = None if route.schema is None else services.named_schemas[route.schema.name]
    schemas = tuple(schema for schema in (asked, demanded) if schema is not None)
    return with_mode(services, intent, Plan(route=route, stream_mode=None, schemas=schemas))


def may_use(granted: tuple[str, ...], route: str) -> bool:
    """Whether a key with these routes may use ``route``."""
    return route in granted or "*" in granted


def with_mode(services: Services, intent: Intent, plan: Plan) -> Plan:
    """The plan with the mode in which a stream leaves: buffered where something needs the whole answer, else chunk by chunk.

    What is kept for later comes whole; the surface makes a stream of it where one was asked for.
    """
    if not intent.call.stream or intent.whole:
        return plan
    whole = plan.schemas or plan.route.assessment is not None or plan.route.buffered or services.policy.reads_answer_content
    return replace(plan, stream_mode=StreamMode.BUFFERED if whole else StreamMode.PASS)


async def _asked(services: Services, intent: Intent) -> AnswerSchema | None:
    """What the caller's ``response_format`` asks for. A form that this gateway does not know is the target's to judge."""
    asked = intent.call.body["response_format"]
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind == "json_object":
        return await _compiled(services, intent, _ANY_OBJECT)
    if kind != "json_schema":
        return None
    described = asked.get("json_schema")
    if not isinstance(described, dict):
        raise InvalidRequest("'response_format.json_schema' has to be an object with a 'name' and a 'schema'", param="response_format.json_schema")
    return await _compiled(services, intent, described.get("schema", True))


async def _compiled(services: Services, intent: Intent, schema: Any) -> AnswerSchema:
    try:
        if intent.call.size < _SLOW and services.schemas.is_warm:
            return services.schemas.compile(schema)
        return await asyncio.to_thread(services.schemas.compile, schema)
    except SchemaProblem as problem:
        raise InvalidRequest(f"'{_PLACE}' is not usable at {problem.where or 'its root'}: {problem.what}", param=_PLACE, code="invalid_schema") from None
