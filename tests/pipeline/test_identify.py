"""Who is calling: only known keys of tenants that are served, and nobody is told why a key is refused."""

from __future__ import annotations

import time

import pytest

from gateway.capabilities.keys import KeyStore
from gateway.errors import Unauthenticated
from gateway.pipeline.identify import identify_key
from gateway.testing import LocalGateway


def make_key(local: LocalGateway, tenant: str, expires_ns: int | None = None) -> tuple[str, str]:
    store = KeyStore(local.gateway.database, local.settings.keys.api_key_hash.reveal())
    key, info = store.create(tenant=tenant, name="test", teams=("ops",), roles=(), routes=("*",), expires_ns=expires_ns)
    local.gateway.services.keys.refresh()
    return key, info.id


async def test_a_key_stands_for_its_tenant_teams_and_routes(local: LocalGateway) -> None:
    key, _ = make_key(local, "acme")
    subject = identify_key(local.gateway.services, key)
    assert (subject.tenant, subject.teams, subject.routes) == ("acme", ("ops",), ("*",))


async def test_an_unknown_an_expired_and_a_revoked_key_are_refused_in_the_same_words(local: LocalGateway) -> None:
    expired, _ = make_key(local, "acme", time.time_ns() - 1)
    revoked, revoked_id = make_key(local, "acme")
    KeyStore(local.gateway.database, local.settings.keys.api_key_hash.reveal()).revoke("acme", revoked_id)
    local.gateway.services.keys.refresh()
    answers = {(reply.status, reply.body) for key in ("gw_no_such", expired, revoked) for reply in [await local.ask("hello", key=key)]}
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401
    assert await local.entries() == []


async def test_a_key_of_a_tenant_that_left_the_config_is_refused_and_counted(local: LocalGateway) -> None:
    key, _ = make_key(local, "initech")
    with pytest.raises(Unauthenticated):
        identify_key(local.gateway.services, key)
    assert b"tenant_unknown" in (await local.get("/metrics")).body
