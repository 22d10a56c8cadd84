"""Calls that are kept, or wait for people: none is left in a state that nobody ends, and none is in the way of all others."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.capabilities.intents import IntentStore, Loaded
from gateway.infrastructure.database_ledger import LedgerTransaction
from gateway.testing import ALLOW_ALL
from tests.pipeline.desk import at_intent, desk, until

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
