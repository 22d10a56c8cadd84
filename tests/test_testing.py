"""The stand-ins say what is there, so that tests built on them can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.testing import LocalGateway, Reply, Routing, local_gateway

STREAM = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n: keep-alive\n\ndata: {"choices":[{"index":0,"delta":{"content":"b"}}]}\n\n'


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalGateway]:
    async with local_gateway(tmp_path) as gateway:
        yield gateway


def test_a_reply_reads_streams_and_whole_answers() -> None:
    streamed = Reply(status=200, headers={"content-type": "text/event-stream"}, body=STREAM)
    assert (streamed.text, streamed.done, len(streamed.events)) == ("ab", False, 2)
    assert Reply(body=STREAM + b"data: [DONE]\n\n").done
    whole = Reply(status=200, headers={"content-type": "application/json"}, body=b'{"choices":[{"message":{"content":"ab"}}]}')
    assert whole.text == "ab"


async def test_the_same_arguments_give_the_same_key(local: LocalGateway) -> None:
    assert local.key() == local.key()
    assert len({local.key(), local.key("globex"), local.key(roles=("operator",)), local.key(routes=("assistant",))}) == 4


async def test_another_name_is_another_person(local: LocalGateway) -> None:
    assert local.key(roles=("reviewer",)) != local.key(name="Ada", roles=("reviewer",))


async def test_a_local_gateway_has_queues_routes_and_payload_keys_as_a_test_wants_them(tmp_path: Path) -> None:
    routing = Routing(queues="{reviews: {due_s: 5}, approvals: {}}", routes={"payments": "{target: simulated, wait_s: 0}"}, waiting="{join_s: 7}")
    async with local_gateway(tmp_path, routing=routing) as local:
        settings = local.settings
        assert (list(settings.queues), settings.queues["reviews"].due_s, settings.waiting.join_s) == (["reviews", "approvals"], 5, 7)
        assert settings.routes["payments"].wait_s == 0
        assert all(tenant.payload_keys for tenant in settings.tenants.values())


async def test_bytes_are_sent_as_they_are(local: LocalGateway) -> None:
    assert (await local.chat(b"not json")).status == 400


@pytest.mark.parametrize("parts", [0, 1])
async def test_a_caller_can_leave_before_or_amid_an_answer(tmp_path: Path, parts: int) -> None:
    async with local_gateway(tmp_path, "rules: [{reply: 'one two three four', chunks: 4, pace_ms: 100, first_token_ms: 100}]") as local:
        reply = await local.chat({"model": "assistant", "stream": True, "messages": [{"role": "user", "content": "x"}]}, leave_after=parts)
        assert not reply.done
        assert [entry["facts"]["state"] for entry in await local.entries() if entry["kind"] == "closed"] == ["cancelled"]


async def test_entries_are_of_one_tenant(local: LocalGateway) -> None:
    await local.ask("hello", key=local.key("globex"))
    assert await local.entries() == []
    assert {entry["tenant"] for entry in await local.entries("globex")} == {"globex"}
