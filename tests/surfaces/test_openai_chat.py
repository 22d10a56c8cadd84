"""The chat endpoint: what it checks, what it hands on untouched."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.testing import LocalGateway

HELLO = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [*HELLO, {"content": "no role"}]}, "messages[1]"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"tools": {}}, "tools"),
        ({"tools": ["hammer"]}, "tools"),
        ({"n": 0}, "n"),
        ({"n": "two"}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"logprobs": 1}, "logprobs"),
        ({"top_logprobs": -1}, "top_logprobs"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"json_schema": {}}}, "response_format"),
    ],
)
async def test_what_the_gateway_relies_on_is_checked_and_named(local: LocalGateway, change: dict[str, Any], param: str) -> None:
    reply = await local.chat({"model": "assistant", "messages": HELLO, **change})
    assert (reply.status, reply.json["error"]["type"], reply.json["error"]["param"]) == (400, "invalid_request_error", param)
    assert local.provider.requests == []


async def test_what_is_null_is_as_if_it_were_not_there(local: LocalGateway) -> None:
    names = ("stream", "stream_options", "tools", "n", "logprobs", "top_logprobs", "response_format", "temperature")
    assert (await local.ask("hello", **dict.fromkeys(names))).status == 200


async def test_unknown_parameters_pass_to_the_upstream(local: LocalGateway) -> None:
    await local.ask("hello", top_k=40, metadata={"ticket": "A-17"}, seed=7)
    sent = orjson.loads(local.provider.requests[0].body)
    assert (sent["top_k"], sent["metadata"], sent["seed"]) == (40, {"ticket": "A-17"}, 7)


async def test_an_alias_and_the_route_reach_the_same_model(local: LocalGateway) -> None:
    for model in ("assistant", "gpt-4o-mini"):
        await local.chat({"model": model, "messages": HELLO})
    assert {orjson.loads(request.body)["model"] for request in local.provider.requests} == {"simulated-1"}
