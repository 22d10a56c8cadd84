"""``GET /v1/models``: the routes that the caller's key may use, as OpenAI lists models."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from gateway.domain import Subject
from gateway.errors import NotFound
from gateway.pipeline.identify import identify_key
from gateway.pipeline.resolve import may_use
from gateway.pipeline.services import Services
from gateway.settings import Route
from gateway.surfaces.http_request import bearer_key


def models_router(services: Services) -> APIRouter:
    """The endpoints over ``services``."""
    router = APIRouter(tags=["OpenAI"])

    def caller(request: Request) -> Subject:
        return identify_key(services, bearer_key(request.scope))

    @router.get("/v1/models", summary="List the models that this key may use")
    async def list_models(request: Request) -> dict[str, Any]:
        """Each route of the gateway is a model; aliases are listed beside their route."""
        subject = caller(request)
        usable = [(name, route) for name, route in services.routes.items() if may_use(subject.routes, route.name)]
        return {"object": "list", "data": [_model(name, route) for name, route in usable]}

    @router.get("/v1/models/{model:path}", summary="Show one model that this key may use")
    async def show_model(model: str, request: Request) -> dict[str, Any]:
        """A model by name or alias; one that the key may not use does not exist for it."""
        subject = caller(request)
        route = services.routes.get(model)
        if route is None or not may_use(subject.routes, route.name):
            raise NotFound("no such model for this key; GET /v1/models lists those that it may use", param="model", code="model_not_found")
        return _model(model, route)

    return router


def _model(name: str, route: Route) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "gateway", "route": route.name}
