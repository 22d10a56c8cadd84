"""Several writers on one server, each in a process of its own as far as the database can tell."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.capabilities.records.store import RecordStore
from gateway.errors import RecordUnavailable
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import Ledger
from tests.capabilities.records.conftest import Shelf
from tests.servers.postgres_server import Postgres

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.capabilities.records.writer.SWEEP_S", 0.2)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def cut(server: Postgres, shelf: Shelf) -> None:
    server.cut(shelf.database.place.rpartition("/")[2])


async def test_many_writers_append_at_once_and_every_chain_is_whole(server_shelf: Shelf) -> None:
    writers = [server_shelf.writer() for _ in range(3)]
    await asyncio.gather(*(writer.start() for writer in writers))

    async def call(number: int) -> None:
        writer, tenant = writers[number % 3], ("acme", "globex")[number % 2]
        writer.append(Shelf.opened(f"i{number}", tenant), lazy=True)
        await asyncio.sleep(0.001 * (number % 5))
        await writer.append(Shelf.closed(f"i{number}", tenant))

    await asyncio.gather(*(call(number) for number in range(150)))
    await asyncio.gather(*(writer.close() for writer in writers))
    reports = [server_shelf.verify(tenant) for tenant in ("acme", "globex")]
    assert [(report.problems, report.chains, report.open, report.unsigned) for report in reports] == [([], 3, 0, 0)] * 2
    assert [report.entries for report in reports] == [153, 153]


async def test_a_living_writer_closes_what_a_dead_one_left_without_a_restart(server_shelf: Shelf) -> None:
    dead, living = server_shelf.writer(), server_shelf.writer()
    await dead.start()
    await living.start()
    await asyncio.gather(dead.append(Shelf.opened("i1")), living.append(Shelf.opened("i2")))
    await dead.close()
    await until(lambda: living.recovered == 1)
    store = RecordStore(server_shelf.database)
    assert [store.show("acme", intent).state for intent in ("i1", "i2")] == ["indeterminate", "running"]
    await living.append(Shelf.closed("i2"))
    await living.close()
    assert server_shelf.verify().clean


async def test_an_end_that_comes_too_late_is_refused_and_others_are_not(server_shelf: Shelf, postgres_server: Postgres) -> None:
    slow, quick = server_shelf.writer(), server_shelf.writer()
    await quick.start()
    await slow.start()
    await slow.append(Shelf.opened("i1"))
    slow._journal._ledger.close()  # its connection ends, and it does not notice: nothing keeps it busy
    found = asyncio.create_task(asyncio.to_thread(recover_until, quick))
    assert await found == 1
    await quick.close()
    late, fresh = slow.append(Shelf.closed("i1")), slow.append(Shelf.opened("i2"))
    results = await asyncio.gather(late, fresh, return_exceptions=True)
    assert [type(result) for result in results] in ([RecordUnavailable, type(None)], [RecordUnavailable, RecordUnavailable])
    await slow.append(Shelf.opened("i3"))
    await slow.append(Shelf.closed("i3"))
    await slow.close()
    ends = [row.state for row in Ledger(server_shelf.database).of_intent("acme", "i1") if row.kind == "closed"]
    assert ends == ["indeterminate"]
    assert server_shelf.verify().problems == []


async def test_no_intent_ends_twice_however_often_connections_are_cut(server_shelf: Shelf, postgres_server: Postgres) -> None:
    writers = [server_shelf.writer() for _ in range(2)]
    await asyncio.gather(*(writer.start() for writer in writers))
    outcomes: dict[str, bool] = {}
    stop = asyncio.Event()

    async def call(number: int) -> None:
        writer = writers[number % 2]
        serial = 0
        while not stop.is_set():
            serial += 1
            intent_id = f"i{number}-{serial:05d}"
            try:
                await writer.append(Shelf.opened(intent_id))
                await asyncio.sleep(0.01)
                await writer.append(Shelf.closed(intent_id))
                outcomes[intent_id] = True
            except RecordUnavailable:
                outcomes[intent_id] = False
                await asyncio.sleep(0.02)

    calls = [asyncio.create_task(call(number)) for number in range(16)]
    for _ in range(8):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(cut, postgres_server, server_shelf)
    await asyncio.sleep(0.7)
    stop.set()
    await asyncio.gather(*calls)
    await until(lambda: not server_shelf.verify().open)
    await asyncio.gather(*(writer.close() for writer in writers))
    with Ledger(server_shelf.database).snapshot("acme") as snapshot:
        ends = {row.intent_id: row.state for row in snapshot.rows() if row.kind == "closed"}
    with Ledger(server_shelf.database).snapshot("acme") as snapshot:
        twice = [intent for intent, count in Counter(row.intent_id for row in snapshot.rows() if row.kind == "closed").items() if count > 1]
    assert twice == []
    assert {intent: ends.get(intent) for intent, done in outcomes.items() if done and ends.get(intent) != "completed"} == {}
    assert sum(outcomes.values()) > 50
    assert server_shelf.verify().problems == []


async def test_a_server_that_restarts_is_taken_again_by_all(server_shelf: Shelf, postgres_server: Postgres) -> None:
    writers = [server_shelf.writer() for _ in range(2)]
    await asyncio.gather(*(writer.start() for writer in writers))
    await asyncio.gather(*(writer.append(Shelf.opened(f"i{number}")) for number, writer in enumerate(writers)))
    await asyncio.to_thread(postgres_server.stop)
    await until(lambda: not any(writer.available for writer in writers))
    await asyncio.to_thread(postgres_server.start)
    await until(lambda: all(writer.available for writer in writers))
    ends = await asyncio.gather(*(writer.append(Shelf.closed(f"i{number}")) for number, writer in enumerate(writers)), return_exceptions=True)
    await asyncio.gather(*(writer.close() for writer in writers))
    states = [RecordStore(Database(server_shelf.address)).show("acme", f"i{number}").state for number in range(2)]
    assert states == ["indeterminate" if isinstance(end, RecordUnavailable) else "completed" for end in ends]
    assert server_shelf.verify().problems == []


async def test_readiness_goes_down_while_the_server_hangs_and_comes_back(
    server_shelf: Shelf, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.infrastructure.database_postgres._ImpatientConnection.patience_s", 0.5)
    monkeypatch.setattr("gateway.infrastructure.database_postgres.CONNECT_S", 2)
    writer = server_shelf.writer()
    await writer.start()
    await writer.append(Shelf.opened("i1"))
    assert postgres_server.process is not None
    backends = postgres_server.admin("SELECT pid FROM pg_stat_activity WHERE usename = 'gateway'").split()
    everybody = [postgres_server.process.pid, *map(int, backends)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    try:
        await until(lambda: not writer.available)
        with pytest.raises(RecordUnavailable):
            await writer.append(Shelf.opened("i2"))
    finally:
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
    await until(lambda: writer.available)
    await writer.append(Shelf.closed("i1"))
    await writer.close()
    assert (server_shelf.verify().problems, server_shelf.verify().open) == ([], 0)


def recover_until(writer: object) -> int:
    deadline = time.monotonic() + 10
    while not (found := writer.recovered):  # type: ignore[attr-defined]  # a RecordWriter
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(found)
