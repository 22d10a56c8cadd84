"""Every endpoint that is not hot answers in the same shape, its refusals too."""

from __future__ import annotations

import pytest

from gateway.testing import LocalGateway


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/files", 404, "not_found"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/v1/models", 401, "missing_api_key"),
        ("GET", "/docs/../v1/nothing", 404, "not_found"),
    ],
)
async def test_refusals_have_openais_shape(local: LocalGateway, method: str, path: str, status: int, code: str) -> None:
    reply = await local.request(method, path, {}, b"")
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert set(reply.json["error"]) == {"message", "type", "param", "code"}


async def test_a_method_that_is_not_taken_is_answered_with_those_that_are(local: LocalGateway) -> None:
    assert (await local.request("POST", "/healthz", {}, b"")).headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_the_documentation_is_for_this_machine_and_for_operators(local: LocalGateway, path: str) -> None:
    assert (await local.get(path)).status == 200
    assert (await local.get(path, client="192.0.2.7")).status == 401
    assert (await local.get(path, client="192.0.2.7", key=local.key())).status == 403
    assert (await local.get(path, client="192.0.2.7", key=local.key(roles=("operator",)))).status == 200
