"""The first entry of a record: who, what, by which versions, and until when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.pipeline.open import DAY_NS
from gateway.testing import LocalGateway, local_gateway
from tests.pipeline.rego import ALLOW, intent_says, obliged


async def rows(local: LocalGateway) -> dict[str, dict[str, Any]]:
    with local.gateway.database.read() as connection:
        found = connection.exec_driver_sql("SELECT kind, body, content, expires_ns FROM entries WHERE kind != 'genesis'").fetchall()
    return {kind: {**orjson.loads(body), "content": orjson.loads(content), "expires": expires} for kind, body, content, expires in found}


async def test_it_says_who_asked_what_and_which_versions_decided(local: LocalGateway) -> None:
    reply = await local.ask("hello jane.doe@example.com")
    opened = (await rows(local))["opened"]
    assert opened["intent_id"] == reply.headers["x-gateway-record"]
    facts = opened["facts"]
    assert (facts["subject"]["tenant"], facts["subject"]["teams"], facts["route"], facts["target"]) == ("acme", ["support"], "assistant", "simulated")
    assert facts["trace_id"] == reply.headers["x-gateway-trace"]
    assert facts["versions"].keys() == {"config", "policy", "code"}
    assert facts["versions"]["policy"] == facts["decision"]["revision"] == local.gateway.services.policy.revision
    assert opened["content"]["request"]["messages"][0]["content"].startswith("hello <EMAIL_ADDRESS_")


@pytest.mark.parametrize(("obligation", "days"), [({}, 30), ({"retention_days": 3}, 3), ({"retention_days": 365}, 365)])
async def test_policy_says_how_long_content_is_kept(tmp_path: Path, obligation: dict[str, int], days: int) -> None:
    async with local_gateway(tmp_path, policies=intent_says(obliged(**obligation))) as local:
        await local.ask("hello")
        found = await rows(local)
        began = found["opened"]["at_ns"]
        assert [found[kind]["expires"] - began for kind in ("opened", "closed")] == [days * DAY_NS] * 2


async def test_a_refused_intent_is_on_record_with_its_request_redacted(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=intent_says({**ALLOW, "outcome": "deny"})) as local:
        await local.ask("hello jane.doe@example.com")
        opened = (await rows(local))["opened"]
        assert opened["content"]["request"]["messages"][0]["content"].startswith("hello <EMAIL_ADDRESS_")
        assert opened["facts"]["decision"]["outcome"] == "deny"


async def test_what_was_never_inspected_is_not_kept(local: LocalGateway) -> None:
    await local.chat({"model": "jane.doe@example.com", "messages": [{"role": "user", "content": "hello jane.doe@example.com"}]})
    opened = (await rows(local))["opened"]
    assert opened["content"] == {}
    assert "example.com" not in str(opened)
