"""Operations: health for everybody, the rest for this machine or an operator."""

from __future__ import annotations

import pytest

from gateway.surfaces.operations import is_loopback
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


@pytest.mark.parametrize(
    ("headers", "direct"),
    [
        ({}, True),
        ({"host": "127.0.0.1:8080"}, True),
        ({"host": "localhost:8080"}, True),
        ({"host": "[::1]:8080"}, True),
        ({"host": "rebound.example.com:8080"}, False),
        ({"host": "["}, False),
        ({"host": ""}, False),
        ({"x-forwarded-host": "example.com"}, False),
        ({"x-forwarded-proto": "https"}, False),
        ({"cf-connecting-ip": "192.0.2.1"}, False),
    ],
)
def test_who_comes_through_a_proxy_or_by_another_name_is_not_this_machine(headers: dict[str, str], direct: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_loopback({"client": ("127.0.0.1", 5), "headers": raw}) is direct


def test_a_mapped_address_is_not_taken_for_this_machine() -> None:
    assert not is_loopback({"client": ("192.0.2.1", 5), "headers": []})
    assert not is_loopback({"client": ("::ffff:192.0.2.1", 5), "headers": []})
