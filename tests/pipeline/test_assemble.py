"""The request as the target gets it: capped, asked for usage, serialised afresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.testing import LocalGateway, local_gateway
from tests.pipeline.rego import intent_says, obliged

NEW, OLD = "max_completion_tokens", "max_tokens"
CAPS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    # what was asked for, what is sent, whether the caller is told
    ({}, {NEW: 100}, True),
    ({NEW: 500}, {NEW: 100}, True),
    ({OLD: 500}, {NEW: 100}, True),
    ({NEW: 50}, {NEW: 50}, False),
    ({OLD: 100}, {NEW: 100}, False),
    ({OLD: 7}, {NEW: 7}, False),
    ({NEW: 500, OLD: 50}, {NEW: 50}, True),
    ({NEW: None, OLD: 500}, {NEW: 100}, True),
    ({NEW: None}, {NEW: 100}, True),
    ({NEW: -1}, {NEW: 100}, True),
    ({NEW: 0}, {NEW: 100}, True),
    ({OLD: "500"}, {NEW: 100}, True),
    ({OLD: True}, {NEW: 100}, True),
    ({OLD: 1e9}, {NEW: 100}, True),
    ({OLD: {"n": 7}}, {NEW: 100}, True),
]


def sent(local: LocalGateway) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(local.provider.requests[-1].body)
    return body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("asked", "expected", "told"), CAPS)
async def test_a_cap_lowers_what_was_asked_for_and_says_so(tmp_path: Path, asked: dict[str, Any], expected: dict[str, Any], told: bool, stream: bool) -> None:
    field = {"targets:\n  simulated:\n": f"targets:\n  simulated:\n    max_tokens_field: {NEW}\n"}
    async with local_gateway(tmp_path, policies=intent_says(obliged(max_tokens=100)), changes=field) as local:
        reply = await local.ask("hello", stream=stream, **asked)
        assert {name: value for name, value in sent(local).items() if name in {NEW, OLD}} == expected
        added = reply.events[-1]["gateway"] if stream else reply.json["gateway"]
        assert added.get("max_tokens") == (expected[NEW] if told else None)


@pytest.mark.parametrize("field", [NEW, OLD])
async def test_a_cap_where_none_was_asked_for_takes_the_targets_own_parameter(tmp_path: Path, field: str) -> None:
    changes = {"targets:\n  simulated:\n": f"targets:\n  simulated:\n    max_tokens_field: {field}\n"}
    async with local_gateway(tmp_path, policies=intent_says(obliged(max_tokens=7)), changes=changes) as local:
        await local.ask("hello")
        assert sent(local)[field] == 7
        assert len(sent(local).keys() & {NEW, OLD}) == 1


async def test_without_a_cap_what_was_asked_for_is_sent(local: LocalGateway) -> None:
    await local.ask("hello", max_tokens=500, temperature=0.5, unknown={"a": [1]})
    assert sent(local).items() >= {"max_tokens": 500, "temperature": 0.5, "unknown": {"a": [1]}, "model": "simulated-1"}.items()


@pytest.mark.parametrize("given", [None, {"include_usage": False}, {"include_usage": True, "x": 1}])
async def test_a_stream_always_asks_for_usage(local: LocalGateway, given: dict[str, Any] | None) -> None:
    await local.ask("hello", stream=True, stream_options=given)
    assert sent(local)["stream_options"] == {**(given or {}), "include_usage": True}
