"""Endpoints that are not hot, and what is not served: everything in OpenAI's shape."""

from __future__ import annotations

import pytest

from gateway.testing import LocalGateway

ERROR_KEYS = {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/no-such", 404, "not_found"),
        ("GET", "/v1/embeddings", 405, "method_not_allowed"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_served_is_a_clear_error(local: LocalGateway, method: str, path: str, status: int, code: str) -> None:
    reply = await local.request(method, path, {"authorization": f"Bearer {local.key()}"}, b"")
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert reply.json["error"].keys() == ERROR_KEYS


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/metrics"])
async def test_operators_pages_answer_on_loopback_or_to_operators_alone(local: LocalGateway, path: str) -> None:
    assert (await local.get(path)).status == 200
    assert (await local.get(path, client="192.0.2.7")).status == 401
    assert (await local.get(path, client="192.0.2.7", key=local.key())).status == 403
    assert (await local.get(path, client="192.0.2.7", key=local.key(roles=("operator",)))).status == 200
    assert (await local.get(path, headers={"x-forwarded-for": "192.0.2.7"})).status == 401


async def test_the_document_describes_every_endpoint(local: LocalGateway) -> None:
    paths = (await local.get("/openapi.json")).json["paths"]
    openai = {"/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model}"}
    of_people = {"/v1/intents/{id}", "/v1/tasks", "/v1/tasks/{id}", *(f"/v1/tasks/{{id}}/{move}" for move in ("claim", "release", "decide", "withdraw"))}
    assert openai | of_people | {"/v1/records/{id}/explain", "/healthz", "/readyz", "/metrics"} == set(paths)


@pytest.mark.parametrize(
    ("path", "allowed"), [("/v1/intents/int_1", "DELETE, GET"), ("/v1/tasks/tsk_1", "GET"), ("/v1/tasks/tsk_1/claim", "POST"), ("/docs", "GET")]
)
async def test_a_method_that_is_none_is_told_all_that_the_path_takes(local: LocalGateway, path: str, allowed: str) -> None:
    reply = await local.request("PATCH", path, {}, b"")
    assert (reply.status, reply.headers["allow"], reply.json["error"]["code"]) == (405, allowed, "method_not_allowed")
