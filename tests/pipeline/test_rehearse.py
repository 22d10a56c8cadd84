"""What a person wrote is checked against the call as it is now, and nothing else happens by that."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.errors import Conflict, GatewayError
from gateway.pipeline.kept import call_of
from gateway.pipeline.rehearse import Rehearsed, rehearse
from tests.pipeline.desk import Case, at_intent, desk

SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}}


async def rehearsed(case: Case) -> Rehearsed:
    services, loaded = case.desk.local.gateway.services, case.loaded()
    call = call_of(services, loaded, now_ns=time.time_ns())
    assert call is not None
    return await rehearse(services, loaded, call)


async def test_nothing_is_decided_called_or_recorded(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"mode": "answer"})) as people:
        case = await people.park("write to jane.doe@example.com", response_format=SCHEMA)
        before = case.loaded()
        found = await rehearsed(case)
        assert [finding.category for finding in found.inspection.findings] == ["EMAIL_ADDRESS"]
        assert len(found.plan.schemas) == 1
        blank = found.blank(before.row)
        assert (blank.source, blank.author, blank.body["id"], len(blank.body["choices"])) == ("person", "", f"chatcmpl-{case.intent}", 1)
        assert "(" in await found.failures(blank)
        assert (people.asked(), case.kinds(), case.loaded()) == ([], ["opened", "parked"], before)
        assert people.local.gateway.services.limits.running == 0


async def test_the_schema_that_policy_demanded_is_checked_too(tmp_path: Path) -> None:
    policies = at_intent(terms={"mode": "answer"})
    policies["intent.rego"] = policies["intent.rego"].replace('"obligations":{"reveal"', '"obligations":{"require_schema":"ticket","reveal"')
    schema = "schemas: {ticket: {type: object, required: [id]}}\nrecords:"
    async with desk(tmp_path, policies, changes={"records:": schema}) as people:
        case = await people.park()
        reply = await case.decide("answer", content="{}")
        assert (reply.status, reply.json["error"]["code"]) == (400, "answer.schema_invalid")
        await case.accept("answer", content='{"id": 1}')
        assert await case.text() == '{"id": 1}'


async def test_without_its_key_there_is_nobody_to_decide_for(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        caller = people.key("Eve", "caller")
        case = await people.park(key=caller)
        people.revoke(caller)
        with pytest.raises(Conflict, match="revoked or expired"):
            await rehearsed(case)


async def test_a_route_that_is_gone_is_said(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        object.__setattr__(people.local.gateway.services, "routes", {})
        with pytest.raises(GatewayError, match="route") as raised:
            await rehearsed(case)
        assert isinstance(raised.value, Conflict)
