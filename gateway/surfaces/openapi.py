"""The OpenAPI document: FastAPI's own, with the plain ASGI endpoints described beside its routes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {name: {"type": ["string", "null"]} for name in ("message", "type", "param", "code")},
        },
        "gateway": {"type": "object", "properties": {"record": {"type": "string"}, "reasons": {"type": "array", "items": {"type": "object"}}}},
    },
}

_REQUEST = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string", "minLength": 1, "description": "A route of the gateway, or an alias of one."},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["role"], "properties": {"role": {"type": "string"}}, "additionalProperties": True},
        },
        "stream": {"type": ["boolean", "null"]},
        "stream_options": {"type": ["object", "null"]},
        "tools": {"type": ["array", "null"], "items": {"type": "object"}},
    },
    "additionalProperties": True,
}

_HEADERS = {
    name: {"schema": {"type": "string"}, "description": text}
    for name, text in (
        ("x-gateway-record", "Id of the intent and its record."),
        ("x-gateway-decision", "What policy said, if it was asked: allow or deny."),
        ("x-gateway-route", "The route that served the intent."),
        ("x-gateway-target", "The target of that route."),
        ("x-gateway-trace", "W3C trace id."),
    )
}

_ERRORS = {
    "400": "The request is not what the API takes; `param` names the part.",
    "401": "No key, or one that is not accepted.",
    "403": "Policy refused; `code` is `policy_denied` and the message names the rules.",
    "404": "No such model for this key.",
    "413": "The body is over the limit.",
    "415": "The body is not JSON in UTF-8.",
    "429": "The gateway or the target is at its limit.",
    "431": "The headers are over the limit.",
    "500": "A defect of the gateway.",
    "502": "The target failed.",
    "503": "Nothing can be recorded, so nothing is answered; or the gateway is shutting down.",
    "504": "The target did not answer in time.",
}


def chat_operation() -> dict[str, Any]:
    """The operation object of ``POST /v1/chat/completions``."""
    answer = {"type": "object", "properties": {"choices": {"type": "array"}, "gateway": {"type": "object"}}, "additionalProperties": True}
    return {
        "tags": ["OpenAI"],
        "operationId": "create_chat_completion",
        "summary": "Create a chat completion",
        "description": "OpenAI's chat API, streamed and not. Unknown parameters pass to the target; what is not revealed to it is replaced by placeholders.",
        "security": [{"key": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}},
        "responses": {
            "200": {
                "description": "The answer; with `stream`, server-sent events.",
                "headers": _HEADERS,
                "content": {"application/json": {"schema": answer}, "text/event-stream": {"schema": {"type": "string"}}},
            },
            **{status: {"description": text, "content": {"application/json": {"schema": _ERROR}}} for status, text in _ERRORS.items()},
        },
    }


def describe(application: FastAPI) -> dict[str, Any]:
    """The whole document."""
    document = FastAPI.openapi(application)
    document["paths"]["/v1/chat/completions"] = {"post": chat_operation()}
    document.setdefault("components", {})["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "A key of `gateway keys create`."}}
    for path, operations in document["paths"].items():
        if path.startswith("/v1/models"):
            operations["get"]["security"] = [{"key": []}]
            operations["get"]["responses"] |= {status: {"description": _ERRORS[status]} for status in ("401", "404")}
    return document
