"""The border to webhooks: whatever a server does, a message is taken or there is one error with its reason, soon."""

from __future__ import annotations

import asyncio

import pytest

from gateway.infrastructure.webhook_client import WebhookClient, WebhookError
from tests.infrastructure.webhook_server import dead_url, webhook_server

BODY = b'{"type":"task.opened"}'
MORE_THAN_BUFFERS_HOLD = 64 * 1_048_576


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_a_message_is_posted_once_with_its_headers(status: int) -> None:
    async with webhook_server() as server:
        server.behave = [status]
        client = WebhookClient()
        await client.post(server.url, {"webhook-id": "msg_1"}, BODY)
        await client.close()
    (message,) = server.messages
    assert (message.path, message.body) == ("/hooks", BODY)
    assert (message.headers["webhook-id"], message.headers["content-type"]) == ("msg_1", "application/json")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (500, "rejected"),
        (503, "rejected"),
        (400, "rejected"),
        (410, "rejected"),
        (304, "rejected"),
        ("hang", "timeout"),
        ("drip", "timeout"),
        ("cut", "unreachable"),
        ("garbage", "unreachable"),
        ("endless head", "unreachable"),
        ("endless refusal", "rejected"),
    ],
)
async def test_every_failure_has_its_reason_and_the_next_message_goes(behaviour: int | str, reason: str) -> None:
    async with webhook_server() as server:
        client = WebhookClient(post_s=1.0)
        server.behave = [behaviour]
        with pytest.raises(WebhookError) as caught:
            await client.post(server.url, {}, BODY)
        assert caught.value.reason == reason
        assert "127.0.0.1" not in caught.value.message
        assert caught.value.__cause__ is None
        assert len(server.messages) == 1  # one try
        await client.post(server.url, {}, BODY)
        await client.close()
    assert len(server.messages) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_refusal(status: int) -> None:
    async with webhook_server() as server:
        client = WebhookClient()
        server.behave = [status]
        with pytest.raises(WebhookError, match=str(status)):
            await client.post(server.url, {}, BODY)
        await client.close()
    assert [message.path for message in server.messages] == ["/hooks"]


async def test_an_endless_answer_is_not_read() -> None:
    async with webhook_server() as server:
        client = WebhookClient()
        server.behave = ["endless body"]
        await client.post(server.url, {}, BODY)
        await asyncio.sleep(0.2)
        await client.close()
    assert server.sent < MORE_THAN_BUFFERS_HOLD


async def test_nobody_there_is_unreachable() -> None:
    client = WebhookClient()
    with pytest.raises(WebhookError) as caught:
        await client.post(dead_url(), {}, BODY)
    await client.close()
    assert caught.value.reason == "unreachable"


async def test_a_name_that_leads_nowhere_is_unreachable() -> None:
    client = WebhookClient()
    with pytest.raises(WebhookError) as caught:
        await client.post("https://hooks.invalid/", {}, BODY)
    await client.close()
    assert caught.value.reason in {"unreachable", "timeout"}


async def test_no_cookie_comes_back_and_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, dead_url())
    async with webhook_server() as server:
        client = WebhookClient()
        await client.post(server.url, {}, BODY)
        await client.post(server.url, {}, BODY)
        await client.close()
    assert [message.headers.get("cookie") for message in server.messages] == [None, None]


async def test_a_client_that_never_sent_anything_can_be_closed() -> None:
    client = WebhookClient()
    await client.close()
    async with webhook_server() as server:
        await client.post(server.url, {}, BODY)  # and used again
        await client.close()
    assert len(server.messages) == 1
