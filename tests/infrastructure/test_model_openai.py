from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import client_exceptions, http_exceptions, web

from gateway.errors import (
    GatewayError,
    Overloaded,
    ShuttingDown,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.infrastructure.model_client import ModelRequest, TargetOptions
from gateway.infrastructure.model_openai import TRANSPORT_ERRORS, OpenAIClient
from gateway.simulated.server import SimulatedProvider

SECRET_PROMPT = "bluebird sk-canary-0123456789"
"""Made up, and must not come back in an error."""


def body(*, stream: bool = False, text: str = SECRET_PROMPT, **more: Any) -> ModelRequest:
    request: dict[str, Any] = {"model": "simulated-1", "messages": [{"role": "user", "content": text}], **more}
    if stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return ModelRequest(request, orjson.dumps(request))


@asynccontextmanager
async def client_of(base_url: str, **options: Any) -> AsyncIterator[OpenAIClient]:
    client = OpenAIClient(TargetOptions(name="there", base_url=base_url, model="simulated-1", **options), version="1.2.3")
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def call(client: OpenAIClient, *, stream: bool, text: str = SECRET_PROMPT) -> tuple[str, str | None]:
    """The text of the first choice and its finish reason, streamed or not."""
    if not stream:
        choice = (await client.complete(body(text=text))).body["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    said, finish = "", None
    async with await client.open_stream(body(stream=True, text=text)) as answer:
        async for chunks in answer:
            for chunk in chunks:
                for choice in chunk["choices"]:
                    said += choice["delta"].get("content") or ""
                    finish = choice["finish_reason"] or finish
    return said, finish


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_arrives_as_the_provider_gave_it(stream: bool) -> None:
    async with SimulatedProvider() as provider, client_of(provider.base_url) as client:
        assert await call(client, stream=stream, text="Grüße, 世界 🙂") == ("Grüße, 世界 🙂", "stop")
        assert client.in_use == 0


async def test_a_reply_tells_what_was_sent_and_received() -> None:
    async with SimulatedProvider() as provider, client_of(provider.base_url) as client:
        sent = body()
        reply = await client.complete(sent)
        assert orjson.loads(reply.raw) == reply.body
        assert (reply.status, reply.request_bytes) == (200, len(sent.raw))
        assert reply.first_byte_ns > provider.requests[0].at_ns


async def test_the_upstream_sees_our_few_headers_alone() -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with SimulatedProvider() as provider, client_of(provider.base_url, api_key="sk-test") as client:
        await client.complete(body(), traceparent)
        async with await client.open_stream(body(stream=True)) as stream:
            assert [chunks async for chunks in stream]
        whole, streamed = (dict(received.headers) for received in provider.requests)
        assert whole.pop("content-length") == str(len(body().raw))
        assert whole.pop("host") in provider.base_url
        assert whole == {
            "authorization": "Bearer sk-test",
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "execution-gateway/1.2.3",
            "traceparent": traceparent,
        }
        assert streamed["accept"] == "text/event-stream"
        assert "traceparent" not in streamed
        assert provider.requests[0].body == body().raw


async def test_the_api_key_does_not_show_in_the_options() -> None:
    assert "sk-test" not in repr(TargetOptions(name="there", base_url="http://192.0.2.1/v1", model="m", api_key="sk-test"))


FAULTS: list[tuple[str, type[UpstreamError], str, type[UpstreamError], str]] = [
    # fault, expected when whole and its code, expected when streamed and its code
    ("{status: 429, retry_after: 7}", UpstreamRateLimited, "upstream.rate_limited", UpstreamRateLimited, "upstream.rate_limited"),
    ("{status: 400}", UpstreamRejected, "upstream.rejected", UpstreamRejected, "upstream.rejected"),
    ("{status: 401}", UpstreamRejected, "upstream.rejected", UpstreamRejected, "upstream.rejected"),
    ("{status: 404}", UpstreamRejected, "upstream.rejected", UpstreamRejected, "upstream.rejected"),
    ("{status: 500}", UpstreamUnavailable, "upstream.unavailable", UpstreamUnavailable, "upstream.unavailable"),
    ("{status: 503}", UpstreamUnavailable, "upstream.unavailable", UpstreamUnavailable, "upstream.unavailable"),
    ("{status: 302}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{status: 204}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{reset: before}", UpstreamUnavailable, "upstream.unavailable", UpstreamUnavailable, "upstream.unavailable"),
    ("{reset: middle}", UpstreamMalformed, "upstream.cut", UpstreamMalformed, "upstream.cut"),
    ("{slow: header}", UpstreamTimeout, "upstream.timeout", UpstreamTimeout, "upstream.timeout"),
    ("{slow: first_token}", UpstreamTimeout, "upstream.timeout", UpstreamTimeout, "upstream.timeout"),
    ("{slow: middle}", UpstreamTimeout, "upstream.timeout", UpstreamTimeout, "upstream.timeout"),
    ("{malformed: json}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: sse}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.cut"),
    ("{malformed: html}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: http}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: content_type}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: encoding}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: error_body}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: error_event}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: no_choices}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.cut"),
    ("{malformed: not_object}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: wrong_kind}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{malformed: long_event}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
    ("{cut: close}", UpstreamMalformed, "upstream.cut", UpstreamMalformed, "upstream.cut"),
    ("{cut: no_finish}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.cut"),
    ("{huge: 20000000}", UpstreamMalformed, "upstream.malformed", UpstreamMalformed, "upstream.malformed"),
]


@pytest.mark.parametrize(("fault", "whole", "whole_code", "streamed", "streamed_code"), FAULTS, ids=[fault[0] for fault in FAULTS])
async def test_every_fault_of_a_provider_becomes_its_error_and_frees_the_slot(
    fault: str, whole: type[UpstreamError], whole_code: str, streamed: type[UpstreamError], streamed_code: str
) -> None:
    limits = {"first_token_s": 0.4, "total_s": 0.8}
    async with SimulatedProvider(f"rules: [{{chunks: 4, fault: {fault}}}]") as provider, client_of(provider.base_url, **limits) as client:
        for stream, expected, code in ((False, whole, whole_code), (True, streamed, streamed_code)):
            with pytest.raises(UpstreamError) as caught:
                await call(client, stream=stream)
            assert type(caught.value) is expected
            assert caught.value.reason_code == code
            assert "bluebird" not in caught.value.message
            assert "canary" not in caught.value.message
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__ or caught.value.__context__ is None
            assert client.in_use == 0


async def test_a_rate_limit_keeps_its_retry_after_and_a_refusal_its_status() -> None:
    script = "rules: [{when: {contains: limit}, fault: {status: 429, retry_after: 7}}, {fault: {status: 422}}]"
    async with SimulatedProvider(script) as provider, client_of(provider.base_url) as client:
        with pytest.raises(UpstreamRateLimited) as limited:
            await client.complete(body(text="limit"))
        assert limited.value.headers == {"Retry-After": "7"}
        with pytest.raises(UpstreamRejected) as rejected:
            await client.complete(body(text="bad"))
        assert rejected.value.http_status == 422


async def test_a_stream_without_done_is_complete_once_every_choice_has_finished() -> None:
    async with SimulatedProvider("rules: [{fault: {cut: no_done}}]") as provider, client_of(provider.base_url) as client:
        assert await call(client, stream=True, text="all of it") == ("all of it", "stop")


async def test_good_chunks_before_a_failure_are_still_delivered() -> None:
    async with SimulatedProvider("rules: [{chunks: [one, two, three, four], fault: {cut: close}}]") as provider, client_of(provider.base_url) as client:
        stream = await client.open_stream(body(stream=True))
        heard: list[str | None] = []

        async def listen() -> None:
            async for chunks in stream:
                heard.extend(choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"])

        with pytest.raises(UpstreamMalformed):
            await listen()
        assert "one" in heard


async def test_every_choice_of_a_stream_must_finish() -> None:
    async with SimulatedProvider("rules: [{choices: 3}]") as provider, client_of(provider.base_url) as client:
        async with await client.open_stream(body(stream=True)) as stream:
            indexes = [choice["index"] for chunks in [got async for got in stream] for chunk in chunks for choice in chunk["choices"]]
        assert set(indexes) == {0, 1, 2}


async def test_closing_a_stream_stops_the_provider_at_once() -> None:
    script = "rules: [{chunks: 1, pace_ms: 20, reply: a long and slow answer that nobody hears}]"
    async with SimulatedProvider(script) as provider, client_of(provider.base_url) as client:
        stream = await client.open_stream(body(stream=True))
        assert await anext(stream)
        await stream.aclose()
        assert client.in_use == 0
        await until(lambda: provider.aborted == 1)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancelled_call_stops_the_provider_at_once(stream: bool) -> None:
    async with SimulatedProvider("rules: [{fault: {slow: header}}]") as provider, client_of(provider.base_url) as client:
        task = asyncio.create_task(call(client, stream=stream))
        await until(lambda: len(provider.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.in_use == 0
        await until(lambda: provider.aborted == 1)


async def test_a_target_at_its_limit_refuses_without_calling() -> None:
    async with SimulatedProvider("rules: [{chunks: 1, pace_ms: 50}]") as provider, client_of(provider.base_url, concurrent=1) as client:
        async with await client.open_stream(body(stream=True)):
            with pytest.raises(Overloaded) as refused:
                await client.complete(body())
            assert refused.value.headers == {"Retry-After": "1"}
        assert len(provider.requests) == 1
        assert (await client.complete(body())).status == 200


async def test_connections_are_used_again_after_whole_and_streamed_answers() -> None:
    async with SimulatedProvider() as provider, client_of(provider.base_url) as client:
        for _ in range(5):
            await call(client, stream=False)
            await call(client, stream=True)
            await asyncio.sleep(0.01)
        assert client._session is not None
        assert client._session.connector is not None
        assert sum(map(len, client._session.connector._conns.values())) == 1


async def test_a_large_body_is_sent_whole() -> None:
    async with SimulatedProvider() as provider, client_of(provider.base_url) as client:
        sent = body(text="x" * 3_000_000)
        assert (await client.complete(sent)).request_bytes == len(sent.raw)
        assert provider.requests[0].body == sent.raw


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9/v1", "http://nowhere.invalid/v1"])
async def test_a_target_that_is_not_there_is_unavailable(base_url: str) -> None:
    async with client_of(base_url) as client:
        with pytest.raises(UpstreamUnavailable):
            await client.complete(body())
        with pytest.raises(UpstreamUnavailable):
            await client.open_stream(body(stream=True))
        assert client.in_use == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_connecting_has_a_limit_of_its_own(stream: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        address = silent.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # they fill the backlog: the next one gets no answer
            one.setblocking(False)
            one.connect_ex(address)
        async with client_of(f"http://127.0.0.1:{address[1]}/v1", connect_s=0.2) as client:
            with pytest.raises(UpstreamTimeout, match="connect limit"):
                await call(client, stream=stream)
        for one in waiting:
            one.close()


async def test_a_refusal_with_an_endless_body_is_still_a_refusal() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n")
                await writer.drain()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, client_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") as client:
        with pytest.raises(UpstreamRejected):
            await call(client, stream=False)
        assert client.in_use == 0


async def test_a_closed_client_says_that_the_gateway_is_shutting_down() -> None:
    async with client_of("http://127.0.0.1:9/v1") as client:
        await client.close()
        with pytest.raises(ShuttingDown):
            await client.complete(body())


async def test_closing_the_client_ends_a_running_stream_with_an_error() -> None:
    async with SimulatedProvider("rules: [{chunks: 1, pace_ms: 20, reply: a long and slow answer}]") as provider, client_of(provider.base_url) as client:
        stream = await client.open_stream(body(stream=True))
        assert await anext(stream)
        await client.close()
        with pytest.raises(UpstreamMalformed):
            [chunks async for chunks in stream]


async def test_texts_become_embeddings_and_fail_as_calls_do() -> None:
    request: dict[str, Any] = {"model": "simulated-1", "input": ["one", "two"], "encoding_format": "float"}
    sent = ModelRequest(request, orjson.dumps(request))
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with SimulatedProvider() as provider, client_of(provider.base_url, api_key="sk-test") as client:
        reply = await client.embed(sent, traceparent)
        assert [len(entry["embedding"]) > 0 for entry in reply.body["data"]] == [True, True]
        assert (orjson.loads(reply.raw), reply.status, reply.request_bytes, client.in_use) == (reply.body, 200, len(sent.raw), 0)
    async with SimulatedProvider("rules: [{fault: {status: 429, retry_after: 7}}]") as provider, client_of(provider.base_url) as client:
        with pytest.raises(UpstreamRateLimited) as limited:
            await client.embed(sent)
        assert limited.value.headers == {"Retry-After": "7"}
    async with client_of("http://127.0.0.1:9/v1") as client:
        with pytest.raises(UpstreamUnavailable):
            await client.embed(sent)


RICH: dict[str, Any] = {
    "messages": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}],
        }
    ],
    "n": 2,
    "logprobs": True,
    "top_logprobs": 3,
    "response_format": {"type": "json_schema", "json_schema": {"name": "thing", "strict": True, "schema": {"type": "object"}}},
    "anything": {"else": [1, None]},
}
"""What a newer server may take as well: this client has no list of parameters."""


async def test_images_choices_log_probabilities_and_formats_pass_as_they_are() -> None:
    request = {"model": "simulated-1", **RICH}
    sent = ModelRequest(request, orjson.dumps(request))
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": "{}"},
            "logprobs": {"content": [{"token": "{}", "logprob": -0.1}]},
            "finish_reason": "stop",
        }
        for index in range(2)
    ]
    answer = {"object": "chat.completion", "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
    heard: list[bytes] = []

    async def serve(incoming: web.Request) -> web.Response:
        heard.append(await incoming.read())
        if b'"stream"' not in heard[-1]:
            return web.Response(body=orjson.dumps(answer), content_type="application/json")
        chunk = {"choices": [{"index": one["index"], "delta": {"content": "{}"}, "logprobs": one["logprobs"], "finish_reason": "stop"} for one in choices]}
        return web.Response(body=b"data: " + orjson.dumps(chunk) + b"\n\ndata: [DONE]\n\n", content_type="text/event-stream")

    application = web.Application()
    application.router.add_post("/v1/chat/completions", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with client_of(f"http://127.0.0.1:{runner.addresses[0][1]}/v1") as client:
            assert (await client.complete(sent)).body == answer
            streamed = ModelRequest({**request, "stream": True}, orjson.dumps({**request, "stream": True}))
            async with await client.open_stream(streamed) as stream:
                chunks = [chunk async for batch in stream for chunk in batch]
    finally:
        await runner.cleanup()
    assert heard == [sent.raw, streamed.raw]
    assert [(one["index"], one["logprobs"]) for one in chunks[0]["choices"]] == [(one["index"], one["logprobs"]) for one in choices]


def _exceptions_of(module: Any) -> list[type[Exception]]:
    return [value for _, value in inspect.getmembers(module, inspect.isclass) if issubclass(value, Exception) and value.__module__.startswith("aiohttp")]


@pytest.mark.parametrize("kind", [*_exceptions_of(client_exceptions), *_exceptions_of(http_exceptions), ConnectionResetError, TimeoutError, ssl.SSLError])
def test_no_exception_of_the_http_library_leaks(kind: type[Exception]) -> None:
    if kind is aiohttp.WSMessageTypeError:  # web sockets are not used
        assert not issubclass(kind, TRANSPORT_ERRORS)
        return
    assert issubclass(kind, TRANSPORT_ERRORS)
    client = OpenAIClient(TargetOptions(name="there", base_url="http://192.0.2.1/v1", model="m"))
    raised = kind.__new__(kind)
    make: Callable[..., GatewayError] = client.mapped
    for answering in (False, True):
        assert isinstance(make(raised, answering=answering), UpstreamError)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the provider tells no events
            await asyncio.sleep(0.005)
