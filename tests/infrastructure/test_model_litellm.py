from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from gateway.errors import Overloaded, ShuttingDown, UpstreamError, UpstreamMalformed, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from gateway.infrastructure.model_client import ModelClient, ModelRequest, ProviderError, TargetOptions
from gateway.infrastructure.model_litellm import LitellmClient
from tests.servers.anthropic_wire import AnthropicWire
from tests.servers.provider_wire import Fault, Said

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def client_of(base_url: str | None, provider: str = "anthropic", model: str = "claude-sonnet-4-5", **options: Any) -> AsyncIterator[LitellmClient]:
    client = LitellmClient(TargetOptions(name="there", base_url=base_url, model=model, api_key="k-test", **options), provider, version="1.2.3")
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def ask(*, stream: bool = False, **more: Any) -> ModelRequest:
    body = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "Hello"}], **more}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return ModelRequest(body, orjson.dumps(body))


async def call(client: LitellmClient, *, stream: bool, **more: Any) -> str:
    if not stream:
        content: str = (await client.complete(ask(**more))).body["choices"][0]["message"]["content"]
        return content
    async with await client.open_stream(ask(stream=True, **more)) as answer:
        return "".join([choice["delta"].get("content", "") async for batch in answer for chunk in batch for choice in chunk["choices"]])


async def test_a_client_is_one_of_models() -> None:
    client: ModelClient = LitellmClient(TargetOptions(name="there", base_url=None, model="m", concurrent=1), "anthropic")
    assert (client.options.name, client.in_use) == ("there", 0)
    with pytest.raises(ShuttingDown):
        await client.complete(ask())
    with pytest.raises(ShuttingDown):
        await client.open_stream(ask(stream=True))
    await client.close()


async def test_a_provider_that_litellm_does_not_know_is_told_at_start() -> None:
    with pytest.raises(ProviderError, match=r"targets\.there\.provider"):
        async with client_of(None, "antropic"):
            pass


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_arrives_and_nothing_is_left_running(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    threads = threading.active_count()
    async with AnthropicWire(Said(text="Grüße, 世界 🙂")) as provider, client_of(provider.base_url) as client:
        tasks = asyncio.all_tasks()
        assert await call(client, stream=stream) == "Grüße, 世界 🙂"
        assert client.in_use == 0
        await asyncio.sleep(0.05)
        ours = {task for task in asyncio.all_tasks() - tasks if "aiohttp" not in repr(task)}
    assert ours == set()
    assert threading.active_count() <= threads + 8  # the event loop's own pool
    assert len(provider.requests) == 1


async def test_a_reply_tells_what_was_sent_and_received() -> None:
    async with AnthropicWire() as provider, client_of(provider.base_url) as client:
        reply = await client.complete(ask(), TRACEPARENT)
        assert orjson.loads(reply.raw) == reply.body
        assert (reply.status, reply.request_bytes) == (200, len(orjson.dumps(provider.body)))
        assert reply.first_byte_ns > 0
        assert (provider.headers["traceparent"], provider.headers["user-agent"]) == (TRACEPARENT, "execution-gateway/1.2.3")
        async with await client.open_stream(ask(stream=True), TRACEPARENT) as stream:
            assert [batch async for batch in stream]
        assert provider.headers["traceparent"] == TRACEPARENT


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancelled_call_stops_the_provider_at_once(stream: bool) -> None:
    async with AnthropicWire(fault=Fault(slow_head_s=30)) as provider, client_of(provider.base_url) as client:
        task = asyncio.create_task(call(client, stream=stream))
        await until(lambda: len(provider.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.in_use == 0
        await until(lambda: provider.aborted == 1)


async def test_closing_a_stream_stops_the_provider_at_once() -> None:
    async with AnthropicWire(Said(text="a long and slow answer"), Fault(slow_event_s=0.03)) as provider, client_of(provider.base_url) as client:
        stream = await client.open_stream(ask(stream=True))
        assert await anext(stream)
        await stream.aclose()
        assert client.in_use == 0
        await until(lambda: provider.aborted == 1)


async def test_closing_the_client_ends_a_running_stream_with_an_error() -> None:
    async with AnthropicWire(Said(text="a long and slow answer"), Fault(slow_event_s=0.03)) as provider, client_of(provider.base_url) as client:
        stream = await client.open_stream(ask(stream=True))
        assert await anext(stream)
        await client.close()
        with pytest.raises(UpstreamMalformed):
            [batch async for batch in stream]
        with pytest.raises(ShuttingDown):
            await client.complete(ask())


async def test_a_target_at_its_limit_refuses_without_calling() -> None:
    async with AnthropicWire(fault=Fault(slow_event_s=0.02)) as provider, client_of(provider.base_url, concurrent=1) as client:
        async with await client.open_stream(ask(stream=True)):
            with pytest.raises(Overloaded):
                await client.complete(ask())
            with pytest.raises(Overloaded):
                await client.open_stream(ask(stream=True))
        assert len(provider.requests) == 1
        assert (await client.complete(ask())).status == 200


async def test_a_parameter_that_cannot_be_sent_takes_no_slot_and_no_call() -> None:
    async with AnthropicWire() as provider, client_of(provider.base_url) as client:
        for stream in (False, True):
            with pytest.raises(UpstreamRejected) as refused:
                await call(client, stream=stream, n=2)
            assert (refused.value.http_status, refused.value.param) == (400, "n")
        with pytest.raises(UpstreamRejected):
            await client.embed(ModelRequest({"model": "m", "input": "a", "api_base": "http://192.0.2.1"}, b""))
        assert (client.in_use, provider.requests) == (0, [])


LATE: list[tuple[Fault, dict[str, Any], bool, str]] = [
    (Fault(slow_head_s=30), {"total_s": 0.2}, False, "total"),
    (Fault(slow_head_s=30), {"first_token_s": 0.2}, True, "first token"),
    (Fault(slow_event_s=30), {"first_token_s": 0.2}, True, "first token"),
    (Fault(slow_event_s=0.06), {"total_s": 0.4}, True, "total"),
]


@pytest.mark.parametrize(("fault", "limits", "stream", "which"), LATE)
async def test_limits_of_time_hold(fault: Fault, limits: dict[str, Any], stream: bool, which: str) -> None:
    async with AnthropicWire(Said(text="one two three four five six"), fault) as provider, client_of(provider.base_url, **limits) as client:
        with pytest.raises(UpstreamTimeout, match=f"{which} limit"):
            await call(client, stream=stream)
        assert client.in_use == 0
        await until(lambda: provider.aborted == 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_connecting_has_a_limit_of_its_own(stream: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        address = silent.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # they fill the backlog: the next one gets no answer
            one.setblocking(False)
            one.connect_ex(address)
        async with client_of(f"http://127.0.0.1:{address[1]}", connect_s=0.2) as client:
            with pytest.raises(UpstreamTimeout, match="connect limit"):
                await call(client, stream=stream)
        for one in waiting:
            one.close()


async def test_a_target_that_is_not_there_is_unavailable() -> None:
    async with client_of("http://127.0.0.1:9") as client:
        for stream in (False, True):
            with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
                await call(client, stream=stream)


async def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    async with AnthropicWire(Said(text="x " * 5_000)) as provider, client_of(provider.base_url, max_answer_bytes=4_000) as client:
        for stream in (False, True):
            with pytest.raises(UpstreamMalformed, match="longer than 4000 bytes"):
                await call(client, stream=stream)


async def test_two_targets_of_one_provider_keep_their_keys_and_addresses_apart() -> None:
    async with (
        AnthropicWire(Said(text="one")) as first,
        AnthropicWire(Said(text="two")) as second,
        client_of(first.base_url) as a,
        client_of(second.base_url) as b,
    ):
        said = await asyncio.gather(*(call(client, stream=stream) for client in (a, b) for stream in (False, True)))
        assert said == ["one", "one", "two", "two"]
        assert (len(first.requests), len(second.requests)) == (2, 2)


CANARY = "kingfisher-5550199"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        *(Fault(status=status, words=CANARY, kind=CANARY) for status in (400, 401, 429, 500, 529)),
        Fault(malformed=True, words=CANARY),
        Fault(error_event=True, words=CANARY),
    ],
)
async def test_no_content_shows_outside_of_the_answer(fault: Fault, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with AnthropicWire(Said(text=f"said {CANARY} indeed"), fault) as provider, client_of(provider.base_url) as client:
        for stream in (False, True):
            failure = None
            try:
                said = await call(client, stream=stream, messages=[{"role": "user", "content": CANARY}], user=CANARY)
            except UpstreamError as error:
                failure = error
            if failure is None:
                assert CANARY in said
            else:
                assert CANARY not in failure.message + str(failure.headers) + str(failure.param)
                assert failure.__suppress_context__
    out, err = capfd.readouterr()
    assert CANARY not in out + err + caplog.text
    assert not any(record.name.lower().startswith(("litellm", "httpx", "openai")) for record in caplog.records)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the provider tells no events
            await asyncio.sleep(0.005)
