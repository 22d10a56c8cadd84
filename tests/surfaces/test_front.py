"""The front answers everything, in one shape."""

from __future__ import annotations

import pytest

from gateway.errors import RecordUnavailable
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.surfaces.front import Front
from gateway.surfaces.http_request import Message, Receive, RequestLimits, Scope, Send
from gateway.testing import LocalGateway


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/responses", 404, "not_found"),
        ("GET", "/v1/embeddings", 405, "method_not_allowed"),
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_served_is_said_in_openais_shape(local: LocalGateway, method: str, path: str, status: int, code: str) -> None:
    reply = await local.request(method, path, {"content-type": "application/json"}, b"{}")
    assert (reply.status, reply.json["error"]["code"], reply.json["error"]["type"]) == (status, code, "invalid_request_error")


async def test_headers_over_the_limit_never_reach_an_endpoint(local: LocalGateway) -> None:
    reply = await local.request("GET", "/healthz", {"x-padding": "y" * 5000}, b"")
    assert (reply.status, reply.json["error"]["code"]) == (431, "headers_too_large")


async def test_refused_requests_are_counted_by_code(local: LocalGateway) -> None:
    await local.chat(b"not json")
    rendered, _ = local.gateway.services.metrics.render()
    assert b'gateway_requests_refused_total{code="invalid_json"} 1.0' in rendered


async def test_nothing_follows_an_answer_that_has_begun() -> None:
    sent: list[Message] = []

    async def begins(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RecordUnavailable("too late to tell")

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    front = Front({"/x": begins}, begins, RequestLimits(body_bytes=1, header_bytes=1, json_depth=1), Metrics())
    await front({"type": "http", "path": "/x", "method": "POST", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]
