"""Who is told what of a record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.capabilities.records.erase import Eraser
from gateway.capabilities.records.signing import SigningKey
from gateway.surfaces import record_explain
from gateway.testing import LocalGateway, Reply, local_gateway

EXAMPLES = Path(__file__).parents[2] / "policies"
LINK = "{logs: {level: error}, traces: {link: 'https://jaeger.example.com/trace/{trace_id}'}}"


@pytest.fixture
async def shipped(tmp_path: Path) -> AsyncIterator[LocalGateway]:
    """A gateway with the shipped policy and a link to traces."""
    async with local_gateway(tmp_path, policies=EXAMPLES, telemetry=LINK) as gateway:
        yield gateway


async def explained(local: LocalGateway, record: str, key: str) -> Reply:
    return await local.get(f"/v1/records/{record}/explain", key=key)


async def test_an_intent_is_explained_to_whose_it_is(shipped: LocalGateway) -> None:
    key = shipped.key()
    answer = await shipped.ask("write to jane.doe@example.com", key=key)
    told = (await explained(shipped, answer.headers["x-gateway-record"], key)).json
    assert (told["state"], told["route"], told["attempts"][0]["target"]) == ("completed", "assistant", "simulated")
    assert told["redactions"]["model"] == {"EMAIL_ADDRESS": 1}
    assert told["trace"]["link"] == f"https://jaeger.example.com/trace/{told['trace']['id']}"
    assert [decision["hook"] for decision in told["decisions"]] == ["intent", "answer"]
    rules = told["decisions"][0]["explanation"]["rules"]
    assert "gateway.intent.verdict" in {rule["rule"] for rule in rules if rule["status"] == "fired"}
    assert told["cost_microusd"] == answer.json["gateway"]["cost_microusd"]


async def test_what_policy_knows_of_other_tenants_is_not_told(shipped: LocalGateway) -> None:
    refused = await shipped.chat({"model": "assistant-large", "messages": [{"role": "user", "content": "hello"}]})
    record = refused.headers["x-gateway-record"]
    reply = await explained(shipped, record, shipped.key())
    why = reply.json["decisions"][0]["explanation"]
    assert why["explained"] is True
    assert b"globex" not in reply.body
    assert {rule["failed"]["text"] for rule in why["rules"] if rule["failed"]} == {None}
    overseen = await explained(shipped, record, shipped.key(roles=("auditor",)))
    texts = {rule["failed"]["text"] for rule in overseen.json["decisions"][0]["explanation"]["rules"] if rule["failed"]}
    assert "count(reasons) == 0" in texts
    assert b"globex" not in overseen.body


async def test_others_see_it_only_if_they_oversee_the_tenant(shipped: LocalGateway) -> None:
    record = (await shipped.ask("hello", key=shipped.key())).headers["x-gateway-record"]
    for role in ("operator", "auditor"):
        assert (await explained(shipped, record, shipped.key(roles=(role,)))).status == 200
    strangers = [shipped.key(teams=("research",)), shipped.key("globex", roles=("operator",)), shipped.key("globex")]
    missing = await explained(shipped, "int_none", shipped.key())
    for key in strangers:
        reply = await explained(shipped, record, key)
        assert (reply.status, reply.json) == (404, missing.json)
    assert (await shipped.get(f"/v1/records/{record}/explain")).status == 401


@pytest.mark.parametrize("record", ["%00", "\x00", "é", "x" * 300, " "])
async def test_what_is_no_id_is_not_found(local: LocalGateway, record: str) -> None:
    assert (await explained(local, record, local.key())).status == 404


async def test_a_policy_that_has_changed_since_is_said(local: LocalGateway) -> None:
    record = (await local.ask("hello")).headers["x-gateway-record"]
    folder = local.settings.policy.path
    (folder / "intent.rego").write_text((folder / "intent.rego").read_text() + "\n# changed\n")
    services = local.gateway.services
    before = services.policy.revision
    for _ in range(100):
        await services.policy.reload_if_changed()
        if services.policy.revision != before:
            break
        await asyncio.sleep(0.05)
    why = (await explained(local, record, local.key())).json["decisions"][0]["explanation"]
    assert (why["explained"], why["why"][:27]) == (False, "the policy has changed since"[:27])


async def test_of_an_answer_with_many_choices_the_last_are_explained(local: LocalGateway) -> None:
    answer = await local.ask("hello", n=6)
    decisions = (await explained(local, answer.headers["x-gateway-record"], local.key())).json["decisions"]
    assert [decision["choice"] for decision in decisions] == [None, 1, 2, 3, 4, 5, 6]
    assert [decision["explanation"]["explained"] for decision in decisions] == [True, False, False, False, True, True, True]


async def test_an_erased_record_says_so_and_still_tells_the_facts(local: LocalGateway) -> None:
    record = (await local.ask("hello")).headers["x-gateway-record"]
    settings = local.settings
    eraser = Eraser(local.gateway.database, heads=settings.records.heads, key=SigningKey(settings.keys.record_signing.reveal()), durability="process")
    await asyncio.to_thread(eraser.intent, "acme", record)
    told = (await explained(local, record, local.key())).json
    assert (told["erased"], told["state"]) == (True, "completed")
    assert told["decisions"][0]["explanation"] == {"explained": False, "why": "the input of the decision is not on record any more"}


async def test_no_more_are_made_at_once_than_the_gateway_takes_on(local: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    record = (await local.ask("hello")).headers["x-gateway-record"]
    replies = await asyncio.gather(*(explained(local, record, local.key()) for _ in range(6)))
    assert {reply.status for reply in replies} == {200, 429}
    assert sum(reply.status == 200 for reply in replies) == record_explain.MOST
    monkeypatch.setattr(record_explain, "MOST", 0)
    busy = await explained(local, record, local.key())
    assert (busy.status, busy.headers["retry-after"]) == (429, "1")
