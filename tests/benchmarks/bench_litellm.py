"""What litellm costs: its start, its memory, and a call through it beside a direct one. ``python -m tests.benchmarks.bench_litellm`` prints a table.

Both clients call a server of their protocol in another process, which answers the same text at once; figures are CPU of the calling process alone.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import orjson
import psutil

from gateway.infrastructure.model_client import ModelClient, ModelRequest, TargetOptions
from gateway.infrastructure.model_litellm import LitellmClient
from gateway.infrastructure.model_openai import OpenAIClient
from gateway.simulated.server import SimulatedProvider
from tests.servers.anthropic_wire import AnthropicWire
from tests.servers.provider_wire import Said

CALLS, ROUNDS = 60, 5
TEXT = "an answer of some ordinary length for a chat " * 3


async def serve(kind: str) -> None:
    """Serve until killed; the address is printed first."""
    provider = SimulatedProvider(f"rules: [{{reply: '{TEXT.strip()}'}}]") if kind == "openai" else AnthropicWire(Said(text=TEXT.strip()))
    async with provider:
        print(provider.base_url, flush=True)
        await asyncio.Event().wait()


async def cpu_ms(call: Callable[[], Awaitable[object]]) -> float:
    """CPU of one call, in milliseconds: the median of rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(CALLS):
            await call()
        rounds.append((time.process_time() - start) / CALLS * 1000)
    return statistics.median(rounds)


async def figures(client: ModelClient) -> tuple[float, float]:
    """Whole and streamed."""
    body = {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello, how are you today?"}]}
    whole = ModelRequest(body, orjson.dumps(body))
    streaming = {**body, "stream": True, "stream_options": {"include_usage": True}}
    streamed = ModelRequest(streaming, orjson.dumps(streaming))

    async def stream() -> None:
        async for _ in await client.open_stream(streamed):
            pass

    await client.complete(whole)
    await stream()
    return await cpu_ms(lambda: client.complete(whole)), await cpu_ms(stream)


def started(kind: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.bench_litellm", kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def main() -> None:
    process = psutil.Process(os.getpid())
    rows: list[tuple[str, float, float, float, float]] = []
    for kind in ("openai", "litellm"):
        server, base_url = started(kind)
        try:
            options = TargetOptions(name="there", base_url=base_url, model="m" if kind == "openai" else "claude-sonnet-4-5", api_key="k")
            before, began = process.memory_info().rss, time.process_time()
            client: ModelClient = OpenAIClient(options) if kind == "openai" else LitellmClient(options, "anthropic")
            await client.start()
            seconds, memory = time.process_time() - began, (process.memory_info().rss - before) / 1e6
            whole, streamed = await figures(client)
            rows.append((kind, seconds, memory, whole, streamed))
            await client.close()
        finally:
            server.kill()
            server.wait()
    print("| client | start, s of CPU | memory, MB | CPU of a call, ms | CPU of a stream of 27 chunks, ms |\n|---|---|---|---|---|")
    for kind, seconds, memory, whole, streamed in rows:
        print(f"| {kind} | {seconds:.2f} | {memory:.0f} | {whole:.2f} | {streamed:.2f} |")


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]) if len(sys.argv) > 1 else main())
