"""The last story: the gateway is killed in mid-load and started again."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

import openai
from stage import Stage
from stories import Told, expect

CALLS = 60


@dataclass
class Seen:
    """What one client saw of one answer."""

    record: str
    text: str = ""
    complete: bool = False


async def one_call(client: openai.AsyncOpenAI, number: int, seen: list[Seen]) -> None:
    """One call, every other one streamed; what is seen of it is noted as it comes."""
    messages: Any = [{"role": "user", "content": f"Count slowly for customer {number}."}]
    create = client.chat.completions.with_streaming_response.create
    try:
        async with create(model="assistant", messages=messages, stream=number % 2 == 0) as raw:
            note = Seen(raw.headers["x-gateway-record"])
            seen.append(note)
            if number % 2:
                body = json.loads(await raw.text())
                note.text, note.complete = body["choices"][0]["message"]["content"], True
                return
            chunks: Any = await raw.parse()
            async for chunk in chunks:
                for choice in chunk.choices:
                    note.text += choice.delta.content or ""
                    note.complete = note.complete or choice.finish_reason is not None
    except (openai.OpenAIError, OSError, ValueError):
        return
    except Exception as error:
        if type(error).__module__.split(".")[0] not in {"httpx", "httpcore", "httpx2", "anyio"}:
            raise


async def load(stage: Stage, key: str) -> list[Seen]:
    """Start the calls, kill the gateway while they run; what the clients saw."""
    seen: list[Seen] = []
    client = openai.AsyncOpenAI(base_url=f"{stage.base_url}/v1", api_key=key, max_retries=0, timeout=20)
    calls = []
    for number in range(CALLS):
        calls.append(asyncio.create_task(one_call(client, number, seen)))
        await asyncio.sleep(random.uniform(0, 0.02))
    await asyncio.sleep(random.uniform(0.0, 0.3))
    stage.kill_gateway()
    await asyncio.gather(*calls)
    return seen


def crash(stage: Stage, key: str) -> Told:
    """Every answer that a client saw complete is on record; those seen in part are indeterminate, or the beginning of a completed one."""
    told = Told()
    seen = asyncio.run(load(stage, key))
    told.say("restarted", f"ready again after {stage.start_gateway():.2f} s")
    states: dict[str, int] = {}
    records = stage.records()
    for note in seen:
        expect(note.record in records, f"{note.record} was seen and is not on record")
        state, text = records[note.record].state, records[note.record].text
        states[state] = states.get(state, 0) + 1
        if note.complete:
            expect(state == "completed" and text == note.text, f"{note.record} was seen complete and is not on record as such")
        elif state != "indeterminate":
            expect(state in {"completed", "cancelled"} and text.startswith(note.text), f"{note.record} was seen in part and its record says {state}")
    complete = sum(note.complete for note in seen)
    expect(complete and complete < CALLS, "the kill did not come in mid-load")
    told.say("clients saw", f"{complete} answers complete, {len(seen) - complete} in part, {CALLS - len(seen)} not at all")
    told.say("records say", ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    told.say("verify", stage.command("records", "verify", "--tenant", "acme").strip().splitlines()[-1])
    return told
