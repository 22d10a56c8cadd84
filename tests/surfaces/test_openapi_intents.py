"""What the document says of intents that wait is what callers are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import jsonschema
import pytest

from gateway.domain import Json
from gateway.surfaces.openapi_intents import parameters
from gateway.testing import LocalGateway
from tests.surfaces.held import decided, holding
from tests.surfaces.test_intents_api import BODY, ended, parked, shown


@pytest.fixture
async def holds(tmp_path: Path) -> AsyncIterator[LocalGateway]:
    async with holding(tmp_path) as local:
        yield local


async def described(local: LocalGateway, name: str) -> Json:
    document = (await local.get("/openapi.json")).json
    return {**document, "$ref": f"#/components/schemas/{name}"}


async def test_an_intent_has_the_described_form_at_every_stage(holds: LocalGateway) -> None:
    schema = await described(holds, "Intent")
    intent = await parked(holds)
    jsonschema.validate((await shown(holds, intent)).json, schema)
    await decided(holds)
    told = await ended(holds, intent)
    jsonschema.validate(told, schema)
    assert told["state"] == "completed"


async def test_a_pending_answer_is_a_described_completion(holds: LocalGateway) -> None:
    reply = await holds.chat(BODY, headers={"x-gateway-wait": "0"})
    jsonschema.validate(reply.json, await described(holds, "ChatCompletion"))
    jsonschema.validate(reply.json["gateway"], await described(holds, "Standing"))
    assert reply.json["gateway"]["state"] == "parked"


async def test_both_methods_are_described_with_what_they_refuse(holds: LocalGateway) -> None:
    methods = (await holds.get("/openapi.json")).json["paths"]["/v1/intents/{id}"]
    assert methods["get"]["responses"].keys() == {"200", "400", "401", "404", "431", "500", "503"}
    assert methods["delete"]["responses"].keys() == {"200", "401", "404", "409", "431", "500", "503"}
    assert [parameter["name"] for parameter in methods["get"]["parameters"]] == ["id", "wait"]


def test_callers_learn_of_both_headers() -> None:
    assert [parameter["name"] for parameter in parameters()] == ["Idempotency-Key", "x-gateway-wait"]
