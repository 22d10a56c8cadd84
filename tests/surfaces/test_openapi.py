"""The OpenAPI document describes every endpoint."""

from __future__ import annotations

from gateway.testing import LocalGateway


async def test_every_endpoint_is_described_with_its_errors(local: LocalGateway) -> None:
    document = (await local.get("/openapi.json")).json
    assert set(document["paths"]) == {"/v1/chat/completions", "/v1/models", "/v1/models/{model}", "/healthz", "/readyz", "/metrics"}
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert {"200", "400", "401", "403", "404", "413", "429", "502", "503", "504"} <= set(chat["responses"])
    assert "x-gateway-record" in chat["responses"]["200"]["headers"]
