"""The OpenAPI document: FastAPI's own, made precise, with the plain ASGI endpoints described beside its routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI

from gateway.domain import Json
from gateway.surfaces import openapi_intents, openapi_tasks
from gateway.surfaces.openapi_schemas import COMPONENTS, ref

_HEADERS: Final[Json] = {
    name: {"schema": {"type": "string"}, "description": text}
    for name, text in (
        ("x-gateway-record", "Id of the intent and its record."),
        ("x-gateway-decision", "What policy said, if it was asked: allow, deny or escalate."),
        ("x-gateway-route", "The route that served the intent."),
        ("x-gateway-target", "The target that was called last, or first where a stream begins."),
        ("x-gateway-trace", "W3C trace id."),
        ("x-gateway-task", "Id of the task, where a person decides."),
        ("x-should-retry", "false where a retry changes nothing: official clients then make none."),
    )
}

_ERRORS: Final[Mapping[str, str]] = {
    "400": "The request is not what the API takes, or no target takes it; `param` names the part.",
    "401": "No key, or one that is not accepted.",
    "403": "Policy refused; `code` is `policy_denied` and the message names the rules.",
    "404": "No such model for this key.",
    "405": "The endpoint takes another method.",
    "409": "No answer yet, and embeddings have no form to say so (`pending`); or the idempotency key was used for another body.",
    "413": "The body is over the limit.",
    "415": "The body is not JSON in UTF-8.",
    "429": "The gateway or the target is at its limit.",
    "431": "The headers are over the limit.",
    "4XX": "The target refused the request; the status is its own.",
    "500": "A defect of the gateway.",
    "502": "The target failed, or its answer broke its schema.",
    "503": "Nothing can be recorded, so nothing is answered; or no target can be called now; or the gateway is shutting down.",
    "504": "The target did not answer in time.",
}
_OPERATORS = "The caller is no operator: the endpoint answers on loopback, or to a key with role `operator`."
_NO_RECORD = "No such record for this key: it is of another subject, and the key has neither role `operator` nor `auditor`; or of another tenant; or of nobody."
_BUSY = "As many records are being explained as the gateway takes on at once."
_NO_DATABASE = "The records cannot be read now."
_SECURED: Final[list[Json]] = [{"key": []}]
_FIXED = ("431", "500")
"""What every endpoint may answer."""


def _json(schema: str, description: str, **more: Any) -> Json:
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}, **more}


def _errors(*statuses: str, **told: str) -> Json:
    """Responses of these statuses; ``told`` has other words for some of them, as ``_403``."""
    return {status: _json("Error", told.get(f"_{status}", _ERRORS[status])) for status in statuses}


def _intent_operation(name: str, texts: tuple[str, str], request: str, answer: Json) -> Json:
    """The operation object of an endpoint that brings intents."""
    summary, description = texts
    return {
        "tags": ["OpenAI"],
        "operationId": name,
        "summary": summary,
        "description": description,
        "security": _SECURED,
        "parameters": [
            {"name": "traceparent", "in": "header", "description": "The caller's trace, which goes on (W3C).", "schema": {"type": "string"}},
            *openapi_intents.parameters(),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref(request)}}},
        "responses": {"200": {"headers": _HEADERS, **answer}, **_errors(*_ERRORS)},
    }


def chat_operation() -> Json:
    """The operation object of ``POST /v1/chat/completions``."""
    answer = _json("ChatCompletion", "The answer; with `stream`, server-sent events, the last of which but `[DONE]` has the `gateway` object.")
    answer["content"]["text/event-stream"] = {
        "schema": {"description": "Events whose data are a `chat.completion.chunk` or an `error` as JSON, then `[DONE]`."}
    }
    description = "OpenAI's chat API, streamed and not. Unknown parameters pass to the target; what is not revealed to it is replaced by placeholders."
    return _intent_operation("create_chat_completion", ("Create a chat completion", description), "ChatRequest", answer)


def embeddings_operation() -> Json:
    """The operation object of ``POST /v1/embeddings``."""
    description = "OpenAI's embeddings API. What is not revealed to the target is replaced by its type alone, so that nothing can be restored from a vector."
    return _intent_operation("create_embeddings", ("Create embeddings", description), "EmbeddingsRequest", _json("Embeddings", "A vector for each input."))


def describe(application: FastAPI) -> Json:
    """The whole document."""
    document: Json = {**FastAPI.openapi(application)}
    paths: Json = {
        "/v1/chat/completions": {"post": chat_operation()},
        "/v1/embeddings": {"post": embeddings_operation()},
        **{path: {**operations} for path, operations in document["paths"].items()},
    }
    for path, (responses, security) in _READ.items():
        paths[path]["get"] = {**paths[path]["get"], "responses": responses, **({"security": security} if security else {})}
    for path, methods in _MADE.items():
        for method, responses in methods.items():
            paths[path][method] = {**paths[path][method], "responses": responses, "security": _SECURED}
    for path, methods in openapi_tasks.operations(_json, _errors).items():
        for method, more in methods.items():
            paths[path][method] = {**paths[path][method], "security": _SECURED, **more}
    schemes = {"key": {"type": "http", "scheme": "bearer", "description": "A key of `gateway keys create`."}}
    return {
        **document,
        "paths": paths,
        "components": {"schemas": {**COMPONENTS, **openapi_intents.SCHEMAS, **openapi_tasks.SCHEMAS}, "securitySchemes": schemes},
    }


_READ: Final[Mapping[str, tuple[Json, list[Json]]]] = {
    "/v1/models": ({"200": _json("ModelList", "The models."), **_errors("401", *_FIXED)}, _SECURED),
    "/v1/models/{model}": ({"200": _json("Model", "The model."), **_errors("401", "404", *_FIXED)}, _SECURED),
    "/v1/records/{id}/explain": (
        {
            "200": _json("RecordExplanation", "What happened, and why."),
            **_errors("401", "404", "429", "503", *_FIXED, _404=_NO_RECORD, _429=_BUSY, _503=_NO_DATABASE),
        },
        _SECURED,
    ),
    "/healthz": ({"200": _json("Health", "It lives."), **_errors(*_FIXED)}, []),
    "/readyz": ({"200": _json("Readiness", "It can."), "503": _json("Readiness", "It cannot."), **_errors(*_FIXED)}, []),
    "/metrics": (
        {
            "200": {"description": "Metrics in Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **_errors("401", "403", *_FIXED, _403=_OPERATORS),
        },
        [{}, *_SECURED],
    ),
}
"""What the endpoints of the application answer, and who may ask."""
_MADE: Final[Mapping[str, Mapping[str, Json]]] = {
    "/v1/intents/{id}": openapi_intents.responses(_json, _errors),
}
"""What endpoints answer by path and method, where a key is always needed."""
