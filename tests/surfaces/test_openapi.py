"""The OpenAPI document describes every endpoint, with every answer that it can give."""

from __future__ import annotations

import pytest

from gateway import errors
from gateway.domain import Json
from gateway.surfaces.openapi import chat_operation, embeddings_operation
from gateway.testing import LocalGateway


def every_error() -> list[type[errors.GatewayError]]:
    found, classes = [], [errors.GatewayError]
    while classes:
        found.append(classes.pop())
        classes += found[-1].__subclasses__()
    return found


async def test_every_endpoint_is_described(local: LocalGateway) -> None:
    document = (await local.get("/openapi.json")).json
    assert document["openapi"].startswith("3.1")
    paths = {"/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model}", "/v1/records/{id}/explain", "/healthz", "/readyz", "/metrics"}
    tasks = {"/v1/tasks", "/v1/tasks/{id}", *(f"/v1/tasks/{{id}}/{move}" for move in ("claim", "release", "decide", "withdraw"))}
    assert set(document["paths"]) == paths | tasks | {"/v1/intents/{id}"}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)


@pytest.mark.parametrize("operation", [chat_operation(), embeddings_operation()])
@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_the_status_of_every_error_is_documented_where_intents_come_in(operation: Json, error: type[errors.GatewayError]) -> None:
    assert str(error.status) in operation["responses"]
    assert operation["responses"]["200"]["headers"].keys() >= {"x-gateway-record", "x-gateway-trace"}


async def test_what_each_endpoint_asks_for_is_said(local: LocalGateway) -> None:
    paths = (await local.get("/openapi.json")).json["paths"]
    secured = {path: methods[next(iter(methods))].get("security") for path, methods in paths.items()}
    of_people = ("/v1/tasks", "/v1/intents")
    assert {path for path, security in secured.items() if security == [{"key": []}] and not path.startswith(of_people)} == {
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/records/{id}/explain",
    }
    assert {str(security) for path, security in secured.items() if path.startswith(of_people)} == {"[{'key': []}]"}
    assert secured["/metrics"] == [{}, {"key": []}]
