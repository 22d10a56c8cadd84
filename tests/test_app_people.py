"""The part of the composition that waits for people is built from the settings, and starts and stops with the gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.app import build, running
from gateway.settings import load
from gateway.testing import ENV
from tests.pipeline.desk import at_intent, desk, until

QUEUES = "{first: {due_s: 10, expires_s: 100, on_expiry: 'queue:second'}, second: {due_s: 10, expires_s: 200}}"


async def test_times_and_keys_are_those_of_the_settings(tmp_path: Path) -> None:
    waiting = "{sweep_s: 0.1, poll_s: 0.05, keep_s: 60, join_s: 7}"
    async with desk(tmp_path, at_intent(), queues=QUEUES, waiting=waiting) as people:
        services = people.local.gateway.services
        assert (services.keep_ns, services.join_ns, services.longest_wait_ns) == (60 * 10**9, 7 * 10**9, 360 * 10**9)
        assert [services.payload_keys.has(tenant) for tenant in ("acme", "globex", "nobody")] == [True, True, False]
        assert set(services.queues) == {"first", "second"}


async def test_what_waits_outlives_the_process_and_another_goes_on_with_it(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"mode": "answer"})) as people:
        case = await people.park("jane.doe@example.com")
        async with people.full():
            await case.accept("answer", content="write to jane.doe@example.com")
            people.local.gateway.services.limits.draining = True
            await people.local.gateway.looking.sweeper.close()
        assert case.loaded().row.state == "parked"
    again = build(load(tmp_path / "config.yaml", ENV))
    async with running(again):
        outcome = await again.services.waiting.outcome("acme", case.intent, 20)
        assert outcome is not None
        assert outcome.body is not None
        assert outcome.body["choices"][0]["message"]["content"] == "write to jane.doe@example.com"


async def test_the_end_of_the_process_waits_for_what_goes_on(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(), "rules: [{first_token_ms: 300}]") as people:
        case = await people.park()
        await case.accept()
        await until(people.asked)
    settings = load(tmp_path / "config.yaml", ENV)
    again = build(settings)
    async with running(again):
        loaded = again.services.intents.load("acme", case.intent)
        assert loaded is not None
        assert loaded.row.state == "completed"


async def test_who_waits_at_the_end_of_the_process_is_sent_away(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        waiting = asyncio.create_task(people.local.gateway.services.waiting.outcome("acme", case.intent, 60))
        await asyncio.sleep(0.1)
    assert await asyncio.wait_for(waiting, 5) is None
