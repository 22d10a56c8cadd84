"""Calls that are kept, or wait for people: none is left in a state that nobody ends, and none is in the way of all others."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.capabilities.intents import IntentStore, Loaded
from gateway.infrastructure.database_ledger import LedgerTransaction
from gateway.pipeline import sweeper
from gateway.pipeline.resume import resume
from gateway.pipeline.services import Services
from gateway.pipeline.sweeper import Sweeper
from gateway.testing import ALLOW_ALL
from tests.pipeline.desk import SLOW_SWEEPS, at_intent, desk, until

KEY = {"idempotency-key": "order-1"}


async def test_a_gateway_that_stops_while_a_call_with_a_key_begins_does_not_leave_it_running(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL) as people:
        services, held, going = people.local.gateway.services, threading.Event(), threading.Event()
        people.local.key()  # it is made in the database, too

        def hold_up(_: LedgerTransaction) -> None:
            held.set()
            going.wait()

        before = services.records.move(hold_up)
        await until(held.is_set)
        caller = asyncio.create_task(people.ask("hello", headers=KEY))
        await until(lambda: any(one.move.drafts for one in services.records._pending.moves))
        services.limits.draining = True
        stopping = asyncio.create_task(services.background.close(0.01))
        await asyncio.sleep(0.1)
        going.set()
        await before
        await stopping
        assert (await caller).status == 503
        await until(lambda: set(people.rows().values()) == {"cancelled"})
        services.limits.draining = False
        assert people.query("SELECT * FROM open_intents") == []
        assert (await people.ask("hello", headers=KEY)).text == "hello"


async def test_who_waits_for_a_large_intent_reads_nothing_of_it_but_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, real = list[Loaded | None](), IntentStore.load

    def load(self: IntentStore, *what: str) -> Loaded | None:
        read.append(real(self, *what))
        return read[-1]

    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("word " * 10_000)
        waiting = people.local.gateway.services.waiting
        with monkeypatch.context() as patch:
            patch.setattr(IntentStore, "load", load)
            assert await waiting.outcome("acme", case.intent, 0) is None
        await case.accept()
        await case.outcome()
        with monkeypatch.context() as patch:
            patch.setattr(IntentStore, "load", load)
            await case.outcome()
        assert [None if loaded is None else list(loaded.payloads) for loaded in read] == [[], ["answer"]]


async def test_intents_that_a_defect_keeps_from_going_on_are_not_in_the_way_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "AT_ONCE", 2)
    async with desk(tmp_path, at_intent(), waiting=SLOW_SWEEPS) as people:
        cases = [await people.park(f"call {at}") for at in range(3)]
        async with people.full():
            for case in cases:
                await case.accept()
        broken, tried = {case.intent for case in cases[:2]}, list[str]()

        async def resuming(services: Services, tenant: str, intent_id: str) -> None:
            tried.append(intent_id)
            if intent_id in broken:
                raise TypeError("kept by another version")
            await resume(services, tenant, intent_id)

        monkeypatch.setattr(sweeper, "resume", resuming)
        looks = Sweeper(people.local.gateway.services, sweep_s=60)
        await looks.sweep()
        await until(lambda: len(looks._put_off) == 2)
        await looks.sweep()
        assert await cases[2].text() == "call 2"
        assert tried == [case.intent for case in cases], "each once: they are tried again later"
        assert set(people.rows().values()) == {"parked", "completed"}


async def test_a_stream_with_a_key_says_that_the_gateway_stops(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL, "rules: [{first_token_ms: 60_000}]", waiting="{keep_alive_s: 1}") as people:
        services = people.local.gateway.services
        caller = asyncio.create_task(people.ask(headers=KEY, stream=True))
        await until(people.asked)
        await asyncio.sleep(1.2)  # until a keep-alive has left, and status and headers with it
        services.limits.draining = True
        await services.background.close(0.01)
        reply = await caller
        services.limits.draining = False
        assert (reply.status, reply.body.startswith(b": keep-alive")) == (200, True)
        assert [event["error"]["code"] for event in reply.events] == ["shutting_down"]
        assert not reply.done
        assert set(people.rows().values()) == {"cancelled"}
