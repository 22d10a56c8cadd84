"""Names become routes: those that a key may use, and no others exist for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.domain import StreamMode
from gateway.pipeline.resolve import may_use
from gateway.testing import ALLOW_ALL, LocalGateway, local_gateway
from tests.pipeline.rego import READS_TEXT


def ask(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("model", ["assistant", "gpt-4o-mini"])
async def test_a_route_answers_to_its_name_and_its_aliases(local: LocalGateway, model: str) -> None:
    reply = await local.chat(ask(model))
    assert (reply.status, reply.headers["x-gateway-route"]) == (200, "assistant")
    assert b'"model":"simulated-1"' in local.provider.requests[0].body


async def test_a_route_that_a_key_may_not_use_is_refused_like_one_that_does_not_exist(local: LocalGateway) -> None:
    key = local.key(routes=("assistant",))
    bodies = [(await local.chat(ask(model), key=key)) for model in ("assistant-large", "no-such", "simulated", "Assistant")]
    assert [reply.status for reply in bodies] == [404] * 4
    assert len({str(reply.json["error"]) for reply in bodies}) == 1
    assert local.provider.requests == []


@pytest.mark.parametrize(("granted", "may"), [(("*",), True), (("assistant",), True), (("assistant", "x"), True), ((), False), (("assist",), False)])
def test_a_key_may_use_what_it_names(granted: tuple[str, ...], may: bool) -> None:
    assert may_use(granted, "assistant") is may


@pytest.mark.parametrize(("policies", "mode"), [(ALLOW_ALL, StreamMode.PASS), (READS_TEXT, StreamMode.BUFFERED)])
async def test_a_stream_is_buffered_where_policy_reads_the_answer(tmp_path: Path, policies: dict[str, str], mode: StreamMode) -> None:
    async with local_gateway(tmp_path, policies=policies) as local:
        await local.ask("hello", stream=True)
        assert next(entry for entry in await local.entries() if entry["kind"] == "opened")["facts"]["stream_mode"] == mode.value
