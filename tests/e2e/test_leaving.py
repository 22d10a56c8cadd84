"""Callers that go away: the upstream call ends, the place is given back, and the record says so."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from tests.e2e.asking import ask, said
from tests.e2e.deployment import Deployment, eventually


def test_a_stream_that_the_client_breaks_off_is_on_record_as_cancelled_with_what_it_saw(served: Deployment, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="assistant", messages=said("Count slowly"), stream=True)
    chunks: Any = raw.parse()
    seen = ""
    for chunk in chunks:
        seen += chunk.choices[0].delta.content or ""
        if len(seen) > 8:
            break
    chunks.response.close()
    record = raw.headers["x-gateway-record"]
    facts = served.closed(record)
    assert (facts["state"], facts["reason"], facts["http_status"]) == ("cancelled", "caller.gone", 499)
    content = served.record(record)["entries"][-1]["content"]
    assert content["answer"][0]["content"].startswith(seen)
    assert "ten" not in content["answer"][0]["content"]
    eventually("the place is free", lambda: served.metric("gateway_intents_in_flight") == 0)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_times_out_leaves_a_cancelled_record(served: Deployment, client: openai.OpenAI, streamed: bool) -> None:
    before = served.metric("gateway_intents_total", state="cancelled")
    with pytest.raises(openai.APITimeoutError):
        list(ask(client.with_options(timeout=0.4), "fault silent", stream=streamed))
    eventually("it is cancelled", lambda: served.metric("gateway_intents_total", state="cancelled") == before + 1, 3)
    assert served.metric("gateway_intents_in_flight") == 0


async def test_a_cancelled_task_is_a_client_that_left(served: Deployment, async_client: openai.AsyncOpenAI) -> None:
    before = served.metric("gateway_intents_total", state="cancelled")

    async def read() -> None:
        async for _ in await async_client.chat.completions.create(model="assistant", messages=said("Count slowly"), stream=True):
            started.set()

    started = asyncio.Event()
    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    await asyncio.to_thread(eventually, "it is cancelled", lambda: served.metric("gateway_intents_total", state="cancelled") == before + 1)
