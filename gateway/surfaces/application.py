"""The FastAPI application: every endpoint that is not hot, and the OpenAPI document of them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.capabilities.records.store import RecordStore
from gateway.errors import GatewayError, InvalidRequest, MethodNotAllowed, NotFound
from gateway.pipeline.services import Services
from gateway.surfaces import openai_chat, openai_embeddings
from gateway.surfaces.error_responses import error_body, error_headers
from gateway.surfaces.front import Asgi
from gateway.surfaces.http_request import RequestLimits
from gateway.surfaces.intents_api import intents_router
from gateway.surfaces.openai_models import models_router
from gateway.surfaces.openapi import describe
from gateway.surfaces.operations import operations_router, require_operator
from gateway.surfaces.record_explain import records_router
from gateway.surfaces.tasks_api import tasks_router


def intent_endpoints(services: Services, limits: RequestLimits) -> Mapping[str, Asgi]:
    """The hot endpoints by path, which the front serves without the application."""
    return {openai_chat.PATH: openai_chat.ChatCompletions(services, limits), openai_embeddings.PATH: openai_embeddings.Embeddings(services, limits)}


def build_application(services: Services, version: str, store: RecordStore, limits: RequestLimits, *, trace_link: str | None = None) -> FastAPI:
    """The application over ``services``; ``store`` reads records, bodies are read within ``limits``.

    ``trace_link`` is where people look at a trace, with ``{trace_id}`` in it.
    """
    application = FastAPI(title="Execution Gateway", version=version, docs_url=None, redoc_url=None, openapi_url=None)
    routers = (
        models_router(services),
        records_router(services, store, link=trace_link),
        intents_router(services, store),
        tasks_router(services, limits),
        operations_router(services),
    )
    for router in routers:
        application.include_router(router)

    async def render(request: Request, error: Exception) -> JSONResponse:
        known = error if isinstance(error, GatewayError) else _known(error, request.url.path, routers)
        return JSONResponse(error_body(known), status_code=known.http_status, headers=error_headers(known))

    application.add_exception_handler(GatewayError, render)
    application.add_exception_handler(HTTPException, render)

    @application.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> JSONResponse:
        require_operator(services, request.scope)
        return JSONResponse(describe(application))

    @application.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        require_operator(services, request.scope)
        return get_swagger_ui_html(openapi_url="/openapi.json", title="Execution Gateway")

    return application


def _known(error: Any, path: str, routers: Iterable[APIRouter]) -> GatewayError:
    """Starlette's own refusals in our shape."""
    if error.status_code == 404:
        return NotFound("there is no such endpoint; GET /docs describes those that there are")
    if error.status_code == 405:
        methods = _methods(path, routers)
        return MethodNotAllowed("this endpoint takes another method", headers={"Allow": ", ".join(methods)} if methods else dict(error.headers or {}))
    return InvalidRequest("the request is not what this endpoint takes")


def _methods(path: str, routers: Iterable[APIRouter]) -> list[str]:
    """The methods that a path takes: each has a route of its own, and the framework names those of the first."""
    routes = [route for router in routers for route in router.routes if isinstance(route, Route) and route.path_regex.match(path)]
    return sorted({method for route in routes for method in route.methods or ()})
