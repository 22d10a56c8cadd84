"""Models: what a key may use, and nothing else, exists for it."""

from __future__ import annotations

from gateway.testing import LocalGateway


async def test_a_key_sees_its_routes_and_their_aliases(local: LocalGateway) -> None:
    key = local.key(routes=("assistant",))
    reply = await local.get("/v1/models", key=key)
    assert reply.json["object"] == "list"
    assert {model["id"] for model in reply.json["data"]} == {"assistant", "gpt-4o-mini"}


async def test_a_model_that_the_key_may_not_use_does_not_exist_for_it(local: LocalGateway) -> None:
    narrow, wide = local.key(routes=("assistant",)), local.key(routes=("*",))
    assert (await local.get("/v1/models/assistant-large", key=wide)).json["id"] == "assistant-large"
    refused, missing = [await local.get(f"/v1/models/{name}", key=narrow) for name in ("assistant-large", "no-such-model")]
    assert (refused.status, refused.json) == (404, missing.json)


async def test_without_a_key_nothing_is_listed(local: LocalGateway) -> None:
    assert (await local.get("/v1/models")).status == 401
    assert (await local.get("/v1/models/assistant", key="gw_no_such")).status == 401
