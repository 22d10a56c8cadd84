"""The border to the server of logs: every failure is one error with its reason."""

from __future__ import annotations

import gzip
import socket

import pytest

from gateway.infrastructure.log_client import LogClient, LogClientError
from tests.capabilities.decision_log.log_server import log_server

BODY = gzip.compress(b'[{"decision_id": "1"}]')


async def test_a_batch_is_posted_as_opa_does() -> None:
    with log_server() as server:
        client = LogClient(server.url, token="t")
        await client.post(BODY)
        await client.close()
    (request,) = server.requests
    told = {name: request[name] for name in ("path", "content-type", "content-encoding", "authorization")}
    assert told == {"path": "/logs", "content-type": "application/json", "content-encoding": "gzip", "authorization": "Bearer t"}
    assert server.ids == ["1"]


@pytest.mark.parametrize(
    ("behaviour", "reason"), [(500, "rejected"), (404, "rejected"), (302, "rejected"), (413, "too_large"), ("hang", "timeout"), ("cut", "unreachable")]
)
async def test_every_failure_has_its_reason_and_the_next_batch_can_go(behaviour: int | str, reason: str) -> None:
    with log_server() as server:
        client = LogClient(server.url, post_s=0.5)
        server.behave = [behaviour]
        with pytest.raises(LogClientError) as caught:
            await client.post(BODY)
        assert caught.value.reason == reason
        assert "127.0.0.1" not in caught.value.message
        await client.post(BODY)
        await client.close()
    assert server.ids[-1] == "1"


async def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = LogClient(f"http://127.0.0.1:{port}/logs", post_s=2.0)
    with pytest.raises(LogClientError) as caught:
        await client.post(BODY)
    await client.close()
    assert caught.value.reason == "unreachable"
