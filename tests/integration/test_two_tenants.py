"""Two tenants on one gateway: what belongs to one is not there for the other, at any endpoint and for any command."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import cli
from gateway.testing import ALLOW_ALL, ENV, LocalGateway, Reply, local_gateway

PERSONAL = "jane.doe@example.com"
NOBODYS_RECORD = "int_0123456789ab" + "0" * 16
NOBODYS_KEY = "nobodyskey00"
TENANTS = {"acme": "globex", "globex": "acme"}

BY_TENANT = {
    **ALLOW_ALL,
    "intent.rego": """package gateway.intent

import rego.v1

default verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {}}}

verdict := {"outcome": "deny", "reasons": [{"rule": "tenant", "message": "not you"}]} if input.subject.tenant == "globex"
""",
}


class Commands:
    """The gateway's commands on the config of a running gateway."""

    def __init__(self, folder: Path) -> None:
        self._config = str(folder / "config.yaml")

    async def __call__(self, *words: str) -> Result:
        return await asyncio.to_thread(CliRunner(env=ENV).invoke, cli, [*words, "--config", self._config])


@pytest.fixture(name="two")
async def two_tenants(tmp_path: Path) -> AsyncIterator[LocalGateway]:
    async with local_gateway(tmp_path, changes={"globex: {placeholder_key: 'env:GLOBEX', payload_key: 'env:GLOBEX_PAYLOAD'}": _GLOBEX}) as local:
        yield local


_GLOBEX = "globex: {placeholder_key: 'env:GLOBEX', payload_key: 'env:GLOBEX_PAYLOAD', redaction: {patterns: {TICKET: 'T-[0-9]{4}'}, words: {PLACE: [harbour]}}}"


@pytest.fixture(name="command")
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


async def ask(local: LocalGateway, tenant: str, text: str = f"write to {PERSONAL}", **parameters: Any) -> Reply:
    reply = await local.ask(text, key=local.key(tenant), **parameters)
    assert reply.status == 200
    return reply


def placeholder(body: bytes) -> str:
    found = re.search(rb"<EMAIL_ADDRESS_[A-Z]{16}>", body)
    assert found is not None
    return found[0].decode()


def without(text: str, *words: str) -> str:
    for word in words:
        text = text.replace(word, "ID")
    return text


@pytest.mark.parametrize("words", [("records", "show"), ("records", "show", "--json"), ("records", "erase")], ids=" ".join)
@pytest.mark.parametrize("tenant", TENANTS)
async def test_another_tenants_record_is_refused_as_if_it_were_not_there(two: LocalGateway, command: Commands, tenant: str, words: tuple[str, ...]) -> None:
    owner = TENANTS[tenant]
    record = (await ask(two, owner)).headers["x-gateway-record"]
    refused = await command(*words, "--tenant", tenant, record)
    missing = await command(*words, "--tenant", tenant, NOBODYS_RECORD)
    assert refused.exit_code == missing.exit_code != 0
    assert without(refused.output, record) == without(missing.output, NOBODYS_RECORD)
    shown = await command("records", "show", "--tenant", owner, "--json", record)
    assert all(entry["content"] is not None for entry in orjson.loads(shown.output)["entries"])


@pytest.mark.parametrize("tenant", TENANTS)
async def test_another_tenants_key_cannot_be_revoked_and_is_not_listed(two: LocalGateway, command: Commands, tenant: str) -> None:
    owner = TENANTS[tenant]
    key_id = two.key(owner).split("_")[1]
    refused = await command("keys", "revoke", "--tenant", tenant, key_id)
    missing = await command("keys", "revoke", "--tenant", tenant, NOBODYS_KEY)
    assert refused.exit_code == missing.exit_code == 2
    assert without(refused.output, key_id) == without(missing.output, NOBODYS_KEY)
    assert key_id not in (await command("keys", "list", "--tenant", tenant, "--json")).output
    assert key_id in (await command("keys", "list", "--tenant", owner, "--json")).output
    two.gateway.services.keys.refresh()
    await ask(two, owner)


@pytest.mark.parametrize("tenant", TENANTS)
async def test_lists_exports_and_verification_hold_one_tenant(two: LocalGateway, command: Commands, tmp_path: Path, tenant: str) -> None:
    own = (await ask(two, tenant, "a lighthouse of mine")).headers["x-gateway-record"]
    others = (await ask(two, TENANTS[tenant], "a windmill of theirs")).headers["x-gateway-record"]
    export = tmp_path / "export.jsonl"
    listed = await command("records", "list", "--tenant", tenant, "--json")
    from_the_others = await command("records", "list", "--tenant", tenant, "--json", "--cursor", others + "~")
    assert (await command("records", "export", "--tenant", tenant, str(export))).exit_code == 0
    written = export.read_text()
    assert [orjson.loads(line)["id"] for line in listed.output.splitlines()] == [own]
    assert others not in from_the_others.output
    assert own in written
    assert others not in written
    assert "windmill" not in written
    assert f'"{TENANTS[tenant]}"' not in written
    assert (await command("records", "verify", "--export", str(export))).exit_code == 0
    assert (await command("records", "verify", "--export", str(export), "--tenant", TENANTS[tenant])).exit_code == 2


@pytest.mark.parametrize("tenant", TENANTS)
async def test_harm_to_one_tenants_records_shows_there_and_nowhere_else(two: LocalGateway, command: Commands, tenant: str) -> None:
    await ask(two, tenant)
    await ask(two, TENANTS[tenant])
    with two.gateway.database.write() as connection:
        connection.exec_driver_sql("UPDATE entries SET content = ? WHERE tenant = ? AND kind = 'closed'", (b"{}", TENANTS[tenant]))
    assert (await command("records", "verify", "--tenant", tenant)).exit_code == 0
    assert (await command("records", "verify", "--tenant", TENANTS[tenant])).exit_code == 1


async def test_erasing_what_has_expired_leaves_the_other_tenant_alone(two: LocalGateway, command: Commands) -> None:
    for tenant in TENANTS:
        await ask(two, tenant)
    with two.gateway.database.write() as connection:
        connection.exec_driver_sql("UPDATE entries SET expires_ns = 1")
    assert "1 intents" in (await command("records", "erase", "--tenant", "acme", "--expired")).output
    states = {tenant: orjson.loads((await command("records", "list", "--tenant", tenant, "--json")).output)["erased"] for tenant in TENANTS}
    assert states == {"acme": True, "globex": False}


async def test_each_tenants_commands_need_a_tenant_of_the_config(two: LocalGateway, command: Commands) -> None:
    for words in (
        ("records", "list"),
        ("records", "show", "x"),
        ("records", "export", "-"),
        ("records", "erase", "x"),
        ("keys", "list"),
        ("keys", "revoke", "x"),
    ):
        assert (await command(*words)).exit_code == 2
        assert (await command(*words, "--tenant", "initech")).exit_code == 2


async def test_the_same_value_has_another_placeholder_for_each_tenant_and_always_the_same_for_one(two: LocalGateway) -> None:
    for tenant in ("acme", "globex", "acme"):
        await ask(two, tenant)
    first, other, again = (placeholder(request.body) for request in two.provider.requests)
    assert first == again != other


@pytest.mark.parametrize("stream", [False, True])
async def test_a_placeholder_of_one_tenant_is_plain_text_for_another_and_for_a_later_intent(two: LocalGateway, stream: bool) -> None:
    await ask(two, "acme")
    token = placeholder(two.provider.requests[0].body)
    for tenant in ("globex", "acme"):
        reply = await ask(two, tenant, f"what is {token}?", stream=stream)
        assert reply.text == f"what is {token}?"
        assert PERSONAL.encode() not in reply.body


async def test_words_and_patterns_of_one_tenant_do_not_apply_to_the_other(two: LocalGateway) -> None:
    text = "bluebird at the harbour, T-1234"
    for tenant in ("acme", "globex"):
        assert (await ask(two, tenant, text)).text == text
    acme, globex = (orjson.loads(request.body)["messages"][0]["content"] for request in two.provider.requests)
    assert re.fullmatch(r"<PROJECT_[A-Z]{16}> at the harbour, T-1234", acme)
    assert re.fullmatch(r"bluebird at the <PLACE_[A-Z]{16}>, <TICKET_[A-Z]{16}>", globex)


async def test_what_was_found_or_decided_for_one_tenant_is_not_remembered_for_the_other(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=BY_TENANT) as local:
        for _ in range(2):
            assert (await local.ask("hello", key=local.key("acme"))).status == 200
            assert (await local.ask("hello", key=local.key("globex"))).status == 403


async def test_models_are_those_of_the_key_and_another_route_is_as_unknown_as_none(two: LocalGateway) -> None:
    narrow = two.key("globex", routes=("assistant",))
    listed = (await two.get("/v1/models", key=narrow)).json["data"]
    assert {model["id"] for model in listed} == {"assistant", "gpt-4o-mini"}
    hidden = await two.get("/v1/models/assistant-large", key=narrow)
    missing = await two.get("/v1/models/no-such-model", key=narrow)
    assert (hidden.status, hidden.body) == (missing.status, missing.body) == (404, missing.body)
    refused = await two.chat({"model": "assistant-large", "messages": [{"role": "user", "content": "x"}]}, key=narrow)
    unknown = await two.chat({"model": "no-such-model", "messages": [{"role": "user", "content": "x"}]}, key=narrow)
    assert (refused.status, refused.json["error"]) == (unknown.status, unknown.json["error"])


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/openapi.json"])
async def test_a_tenants_key_without_the_role_sees_no_operations_from_afar(two: LocalGateway, path: str) -> None:
    for tenant in TENANTS:
        assert (await two.get(path, key=two.key(tenant), client="192.0.2.7")).status == 403
        assert (await two.get(path, key=two.key(tenant, roles=("operator",)), client="192.0.2.7")).status == 200
    assert (await two.get(path, client="192.0.2.7")).status == 401


async def test_operations_show_nothing_of_a_tenant(two: LocalGateway) -> None:
    replies = [await ask(two, tenant, f"{PERSONAL} the lighthouse, bluebird", stream=stream) for tenant in TENANTS for stream in (False, True)]
    await two.ask("lighthouse", key="gw_nobodyskey00_lighthouse")
    await two.chat({"model": "lighthouse", "messages": [{"role": "user", "content": "x"}]})
    shown = b"".join([(await two.get(path)).body for path in ("/metrics", "/readyz", "/healthz", "/openapi.json")]).decode()
    hidden = ["acme", "globex", "jane", "lighthouse", "bluebird", "nobodyskey", *(reply.headers["x-gateway-record"] for reply in replies)]
    assert [word for word in hidden if word in shown] == []
    assert 'gateway_intents_total{route="assistant"' in shown


async def test_an_answer_names_nothing_of_the_other_tenant(two: LocalGateway) -> None:
    await ask(two, "acme")
    reply = await ask(two, "globex")
    refused = await two.ask("x", key=two.key("globex", routes=("assistant-large",)))
    assert refused.status == 404
    for body in (reply.body, refused.body, str(reply.headers).encode()):
        assert b"acme" not in body
