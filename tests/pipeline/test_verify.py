"""What is checked of an answer, and what of it has nothing to check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.testing import Routing, local_gateway

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ASKED = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
NO_REPAIR = Routing(assistant="{target: simulated, retries: {max: 0}, repair: {asks: 0}}")


async def standing(tmp_path: Path, reply: str, asked: Any = ASKED, **parameters: Any) -> tuple[int, dict[str, Any]]:
    """The status, and what the record says of the schema."""
    async with local_gateway(tmp_path, f"rules: [{{{reply}}}]", routing=NO_REPAIR) as local:
        answer = await local.ask("hello", response_format=asked, **parameters)
        facts = next(entry["facts"] for entry in await local.entries() if entry["kind"] == "closed")
        return answer.status, facts["schema"]


@pytest.mark.parametrize(
    ("reply", "valid"),
    [
        ("reply: '{\"a\": 1}'", True),
        ("reply: '{\"a\": 1}', logprobs: true", True),
        ('reply: \'{"a": "x"}\'', False),
        ("reply: '{}'", False),
        ("reply: '[1]'", False),
        ("reply: 'nothing of the kind'", False),
        ("reply: ''", False),
        ("reply: '{\"a\": 1', finish_reason: length", False),
        ("refusal: 'I cannot'", None),
        ("reply: null, tool_calls: [{name: f, arguments: {a: 1}}]", None),
        ("reply: '', finish_reason: content_filter", None),
    ],
)
async def test_a_schema_holds_for_content_and_for_nothing_else(tmp_path: Path, reply: str, valid: bool | None) -> None:
    status, schema = await standing(tmp_path, reply)
    assert schema["valid"] is valid
    assert status == (502 if valid is False else 200)


@pytest.mark.parametrize(("reply", "valid"), [("reply: '{\"any\": 1}'", True), ("reply: '[1]'", False), ("reply: 'text'", False)])
async def test_json_mode_asks_for_an_object(tmp_path: Path, reply: str, valid: bool) -> None:
    _, schema = await standing(tmp_path, reply, {"type": "json_object"})
    assert schema["valid"] is valid


async def test_a_schema_that_says_nothing_asks_for_json(tmp_path: Path) -> None:
    _, schema = await standing(tmp_path, "reply: '17'", {"type": "json_schema", "json_schema": {"name": "any"}})
    assert schema["valid"] is True


async def test_one_broken_choice_breaks_the_answer(tmp_path: Path) -> None:
    status, schema = await standing(tmp_path, 'replies: [\'{"a": 1}\', \'{"a": "no"}\'], choices: 1', n=1)
    assert (status, schema["valid"]) == (200, True)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"type": "json_schema"}, "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"schema": {"type": "strange"}}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"schema": {"$ref": "http://192.0.2.1/schema"}}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"schema": {"$ref": "#"}}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"schema": {"pattern": "(?=x)"}}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"schema": 7}}, "response_format.json_schema.schema"),
    ],
)
async def test_a_schema_that_is_wrong_is_refused_before_anybody_is_called(tmp_path: Path, asked: Any, param: str) -> None:
    async with local_gateway(tmp_path) as local:
        reply = await local.ask("hello", response_format=asked)
        assert (reply.status, reply.json["error"]["param"]) == (400, param)
        assert local.provider.requests == []
        assert [entry["facts"].get("state") for entry in await local.entries() if entry["kind"] == "closed"] == ["refused"]


@pytest.mark.parametrize("asked", [{"type": "text"}, {"type": "grammar", "grammar": "x"}, None])
async def test_a_form_that_is_not_known_is_the_targets_to_judge(tmp_path: Path, asked: Any) -> None:
    async with local_gateway(tmp_path) as local:
        reply = await local.ask("hello", response_format=asked)
        assert reply.status == 200
        assert orjson.loads(local.provider.requests[0].body)["response_format"] == asked
