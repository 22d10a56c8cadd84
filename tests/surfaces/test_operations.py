"""Operations: health for everybody, the rest for this machine or an operator."""

from __future__ import annotations

import pytest

from gateway.testing import LocalGateway

AWAY = "192.0.2.7"


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/openapi.json"])
async def test_from_elsewhere_only_an_operators_key_is_let_in(local: LocalGateway, path: str) -> None:
    assert (await local.get(path)).status == 200
    assert (await local.get(path, client=AWAY)).status == 401
    assert (await local.get(path, client=AWAY, key=local.key())).status == 403
    assert (await local.get(path, client=AWAY, key=local.key(roles=("operator",)))).status == 200


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip", "via"])
async def test_a_proxy_on_this_machine_is_not_this_machine(local: LocalGateway, name: str) -> None:
    assert (await local.get("/metrics", headers={name: "for=192.0.2.7"})).status == 401


async def test_health_and_readiness_need_no_key(local: LocalGateway) -> None:
    assert (await local.get("/healthz", client=AWAY)).json == {"status": "ok"}
    ready = await local.get("/readyz", client=AWAY)
    assert (ready.status, ready.json["status"]) == (200, "ready")


async def test_a_draining_gateway_is_not_ready_and_takes_no_intents(local: LocalGateway) -> None:
    local.gateway.services.limits.draining = True
    assert (await local.get("/readyz")).status == 503
    reply = await local.ask("hello")
    assert (reply.status, reply.json["error"]["code"]) == (503, "shutting_down")


async def test_metrics_count_what_happened(local: LocalGateway) -> None:
    await local.ask("hello")
    await local.ask("write to jane.doe@example.com", stream=True)
    text = (await local.get("/metrics")).body.decode()
    assert 'gateway_intents_total{route="assistant",state="completed",stream="no"} 1.0' in text
    assert 'gateway_intents_total{route="assistant",state="completed",stream="yes"} 1.0' in text
    assert 'gateway_findings_total{category="EMAIL_ADDRESS"}' in text
    assert "gateway_intents_in_flight 0.0" in text
    assert "jane" not in text
