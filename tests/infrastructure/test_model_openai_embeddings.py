"""Embeddings of an OpenAI-compatible server, by the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from gateway.errors import GatewayError, UpstreamMalformed, UpstreamRateLimited, UpstreamUnavailable
from gateway.infrastructure.model_client import ModelRequest, TargetOptions
from gateway.infrastructure.model_openai import OpenAIClient
from gateway.simulated.server import SimulatedProvider


def asking(given: Any, **more: Any) -> ModelRequest:
    body = {"model": "m", "input": given, **more}
    return ModelRequest(body, orjson.dumps(body))


@asynccontextmanager
async def client_of(provider: SimulatedProvider, **options: Any) -> AsyncIterator[OpenAIClient]:
    client = OpenAIClient(TargetOptions(name="there", base_url=provider.base_url, model="m", **options))
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def test_they_are_read_with_their_usage() -> None:
    async with SimulatedProvider() as provider, client_of(provider) as client:
        reply = await client.embed(asking(["one", "two"], dimensions=8), "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")
        assert [len(entry["embedding"]) for entry in reply.body["data"]] == [8, 8]
        assert (reply.status, client.in_use, provider.requests[0].path) == (200, 0, "/v1/embeddings")
        assert provider.requests[0].headers["traceparent"].startswith("00-" + "ab" * 16)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("{status: 429, retry_after: 3}", UpstreamRateLimited),
        ("{status: 503}", UpstreamUnavailable),
        ("{reset: before}", UpstreamUnavailable),
        ("{malformed: json}", UpstreamMalformed),
        ("{malformed: no_choices}", UpstreamMalformed),
        ("{malformed: html}", UpstreamMalformed),
    ],
)
async def test_each_failure_is_its_own_error_and_frees_the_slot(fault: str, kind: type[GatewayError]) -> None:
    async with SimulatedProvider(f"rules: [{{fault: {fault}}}]") as provider, client_of(provider) as client:
        with pytest.raises(kind):
            await client.embed(asking("jane.doe@example.com"))
        assert client.in_use == 0


async def test_the_more_inputs_the_longer_the_answer_may_be() -> None:
    async with SimulatedProvider() as provider, client_of(provider, max_answer_bytes=1_000) as client:
        assert len((await client.embed(asking(["text"] * 300))).body["data"]) == 300
        with pytest.raises(UpstreamMalformed):
            await client.embed(asking("text"))
