"""What is checked of an answer, and what of it has nothing to check."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.schemas.library import Dialect
from gateway.capabilities.schemas.model import STEPS
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


def doubling(levels: int) -> dict[str, Any]:
    """A schema that takes twice the work with each level, on any value."""
    defs: dict[str, Any] = {f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**defs, f"a{levels}": {"type": "integer"}}}


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, int]]:
    """Of each check from now on, whether it holds up the loop, and how many steps it may take."""
    seen, run, here = [], Dialect.run, threading.get_ident()

    def spied(self: Dialect, validator: Any, value: Any, steps: int = STEPS) -> Iterator[Any]:
        seen.append((threading.get_ident() == here, steps))
        return run(self, validator, value, steps)

    monkeypatch.setattr(Dialect, "run", spied)
    return seen


@pytest.mark.parametrize(("levels", "valid"), [(4, True), (12, True), (30, False)])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_schema_that_takes_long_is_checked_where_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool, levels: int, valid: bool
) -> None:
    seen = watched(monkeypatch)
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": doubling(levels)}}
    _, schema = await standing(tmp_path, "reply: '17', choices: 2", asked, stream=stream)
    assert schema["valid"] is valid
    assert {steps for on_the_loop, steps in seen if on_the_loop} == {1_000}, "all choices of an answer share the steps"
    assert [steps for on_the_loop, steps in seen if not on_the_loop] == ([] if levels == 4 else [STEPS // 2] * 2)


async def test_a_long_stream_is_checked_in_a_thread_as_a_long_answer_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch)
    _, schema = await standing(tmp_path, f'reply: \'{{"a": 1, "b": "{"word " * 30_000}"}}\', chunks: 4000', stream=True)
    assert schema["valid"] is True
    assert seen == [(False, STEPS)]
