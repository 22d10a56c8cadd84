"""The embeddings endpoint: what it checks, and that all else is the path's business."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.errors import InvalidRequest
from gateway.surfaces.openai_embeddings import MOST_INPUTS, check_embeddings_request
from gateway.testing import LocalGateway, Reply

GOOD: dict[str, Any] = {"model": "assistant", "input": "hello"}


async def embed(local: LocalGateway, body: Any) -> Reply:
    headers = {"content-type": "application/json", "authorization": f"Bearer {local.key()}"}
    return await local.request("POST", "/v1/embeddings", headers, orjson.dumps(body))


@pytest.mark.parametrize(
    "given",
    ["hello", ["hello"], ["a", "b"], [0], [1, 2, 3], [[1], [2, 3]], ["x"] * MOST_INPUTS, [7] * MOST_INPUTS, [[7]] * MOST_INPUTS, " ", [[7] * 9000]],
)
def test_texts_and_tokens_are_taken(given: Any) -> None:
    check_embeddings_request({**GOOD, "input": given})


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": ["assistant"]}, "model"),
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": {}}, "input"),
        ({"input": 7}, "input"),
        ({"input": ["x"] * (MOST_INPUTS + 1)}, "input"),
        ({"input": [1] * (MOST_INPUTS + 1)}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": ["a", None]}, "input[1]"),
        ({"input": ["a", ["b"]]}, "input[1]"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": [[1], [2, -2]]}, "input[1]"),
        ({"input": [[1], ["a"]]}, "input[1]"),
        ({"input": [[1], 2]}, "input[1]"),
        ({"input": [-1]}, "input[0]"),
        ({"input": [1.5]}, "input[0]"),
        ({"input": [True]}, "input[0]"),
        ({"input": [None]}, "input[0]"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"encoding_format": ["float"]}, "encoding_format"),
        ({"encoding_format": {}}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "8"}, "dimensions"),
        ({"dimensions": True}, "dimensions"),
        ({"stream": True}, "stream"),
        ({"stream": 0}, "stream"),
        ({"messages": None}, "messages"),
        ({"tools": []}, "tools"),
    ],
)
def test_what_the_gateway_relies_on_is_checked_and_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_embeddings_request({**GOOD, **change})
    assert caught.value.param == param


async def test_a_refusal_is_in_openais_shape_and_nothing_is_sent(local: LocalGateway) -> None:
    reply = await embed(local, {**GOOD, "input": [[1], []]})
    assert (reply.status, reply.json["error"]["type"], reply.json["error"]["param"]) == (400, "invalid_request_error", "input[1]")
    assert local.provider.requests == []


async def test_a_good_call_is_answered_with_the_gateways_headers(local: LocalGateway) -> None:
    reply = await embed(local, {**GOOD, "dimensions": 8, "user": "u-7", "encoding_format": None})
    assert (reply.status, reply.json["object"], len(reply.json["data"][0]["embedding"])) == (200, "list", 8)
    assert (reply.headers["x-gateway-route"], reply.headers["x-gateway-decision"]) == ("assistant", "allow")
    sent = orjson.loads(local.provider.requests[0].body)
    assert (sent["model"], sent["input"], sent["user"]) == ("simulated-1", "hello", "u-7")


async def test_nobody_unknown_is_served(local: LocalGateway) -> None:
    reply = await local.request("POST", "/v1/embeddings", {"content-type": "application/json"}, orjson.dumps(GOOD))
    assert (reply.status, reply.json["error"]["code"]) == (401, "missing_api_key")
