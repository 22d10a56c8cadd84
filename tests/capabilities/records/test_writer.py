from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.capabilities.records.store import RecordStore
from gateway.errors import NotFound, RecordUnavailable
from gateway.infrastructure import database_postgres
from gateway.infrastructure.database_ledger import Ledger
from gateway.settings import Secret
from tests.capabilities.records.conftest import Shelf, made
from tests.servers.postgres_fixtures import Outage


def kinds(shelf: Shelf, intent_id: str) -> list[str]:
    return sorted(row.kind for row in Ledger(shelf.database).of_intent("acme", intent_id))


async def test_what_is_awaited_is_durable(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()
    opened = writer.append(Shelf.opened("i1"), lazy=True)
    await writer.append(Shelf.closed("i1"))
    assert opened.done()
    assert kinds(shelf, "i1") == ["closed", "opened"]
    await writer.close()
    assert shelf.verify().clean


async def test_many_intents_share_commits_and_all_are_on_record(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()

    async def call(number: int) -> None:
        writer.append(Shelf.opened(f"i{number:03d}"), lazy=True)
        await asyncio.sleep(0.001 * (number % 3))
        await writer.append(Shelf.closed(f"i{number:03d}"))

    await asyncio.gather(*(call(number) for number in range(200)))
    await writer.close()
    report = shelf.verify()
    assert (report.problems, report.entries, report.open, report.unsigned) == ([], 401, 0, 0)


async def test_a_lazy_entry_is_committed_without_company_too(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()
    await asyncio.wait_for(writer.append(Shelf.opened("i1"), lazy=True), 5)
    assert kinds(shelf, "i1") == ["opened"]
    await writer.close()


async def test_an_urged_entry_does_not_wait(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()
    future = writer.append(Shelf.opened("i1"), lazy=True)
    writer.urge()
    assert not writer._pending
    await asyncio.wait_for(future, 5)
    writer.urge()
    await writer.close()


async def test_closing_commits_what_is_pending_and_ends_appending(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()
    futures = [writer.append(Shelf.opened(f"i{number}"), lazy=True) for number in range(5)]
    await writer.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(RecordUnavailable):
        writer.append(Shelf.opened("late"))
    await writer.close()


async def test_without_its_database_every_append_fails_until_it_is_back(shelf: Shelf, outage: Outage) -> None:
    writer = shelf.writer()
    await writer.start()
    with outage():
        for number in range(3):
            with pytest.raises(RecordUnavailable):
                await writer.append(Shelf.opened(f"lost{number}"))
        while_away = writer.available
    await writer.append(Shelf.opened("i1"))
    assert (while_away, writer.available) == (False, True)
    await writer.close()
    assert kinds(shelf, "i1") == ["opened"]
    assert shelf.verify().clean


async def test_readiness_recovers_without_any_call(shelf: Shelf, outage: Outage) -> None:
    writer = shelf.writer()
    await writer.start()
    with outage():
        await until(lambda: not writer.available)
    await until(lambda: writer.available)
    await writer.close()
    assert writer.failure is None


async def test_a_lazy_entry_that_fails_unseen_is_no_unhandled_error(shelf: Shelf, outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    writer = shelf.writer()
    await writer.start()
    with outage():
        writer.append(Shelf.opened("i1"), lazy=True)
        with pytest.raises(RecordUnavailable):
            await writer.append(Shelf.closed("i1"))
    await writer.close()
    assert "never retrieved" not in caplog.text


async def test_starting_closes_what_a_dead_process_left_open(shelf: Shelf) -> None:
    dead = shelf.writer()
    await dead.start()
    await dead.append(Shelf.opened("i1"))
    await dead.close()
    await asyncio.sleep(0.2 if shelf.database.shared else 0)
    writer = shelf.writer()
    await writer.start()
    assert writer.recovered == 1
    assert RecordStore(shelf.database).show("acme", "i1").state == "indeterminate"
    await writer.close()


async def test_a_writer_does_not_start_without_its_database(shelf: Shelf, outage: Outage) -> None:
    with outage(), pytest.raises(RecordUnavailable):
        await shelf.writer().start()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


KILLED = """
import asyncio, os, sys, time
from pathlib import Path
from gateway.settings import Secret
from tests.capabilities.records.conftest import Shelf, made

async def call(writer, number):
    intent_id = f"i{number:06d}"
    opened = writer.append(Shelf.opened(intent_id), lazy=True)
    await asyncio.sleep(0.0005 * (number % 5))
    if number % 2:
        writer.urge()
        await opened
        print("opened", intent_id, flush=True)
    await writer.append(Shelf.closed(intent_id))
    print("closed", intent_id, flush=True)

async def main(folder):
    address = Secret(os.environ["DATABASE_URL"].encode(), "env") if "DATABASE_URL" in os.environ else folder / "gateway.db"
    writer = made(address, folder).writer(durability="process")
    await writer.start()
    number = 0
    while True:
        await asyncio.gather(*(call(writer, number + each) for each in range(16)))
        number += 16

asyncio.run(main(Path(sys.argv[1])))
"""


def run_and_kill(shelf: Shelf, after_s: float) -> list[str]:
    """What a process said of its records until it was killed, some time after its first word."""
    env = {**os.environ, "DATABASE_URL": shelf.address.text()} if isinstance(shelf.address, Secret) else None
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(shelf.heads.parent)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], text=True, env=env
    )
    assert process.stdout is not None
    said = [process.stdout.readline()]
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    said += process.stdout.read().splitlines()
    process.wait()
    return said


@pytest.mark.parametrize("after_s", [0.2, 0.35, 0.5])
async def test_no_kill_loses_what_was_said_to_be_durable(shelf: Shelf, after_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.capabilities.records.writer.SWEEP_S", 0.1)
    said = await asyncio.to_thread(run_and_kill, shelf, after_s)
    writer = shelf.writer()
    await writer.start()
    await until(lambda: not shelf.verify().open)
    await writer.close()
    store = RecordStore(shelf.database)
    finals = {line.split()[1] for line in said if line.startswith("closed") and len(line.split()) == 2}
    partial = {line.split()[1] for line in said if line.startswith("opened") and len(line.split()) == 2} - finals
    assert finals
    assert {store.show("acme", intent_id).state for intent_id in finals} == {"completed"}
    assert {store.show("acme", intent_id).state for intent_id in partial} <= {"indeterminate", "completed"}
    report = shelf.verify()
    assert (report.problems, report.open) == ([], 0)
    with pytest.raises(NotFound):
        store.show("globex", next(iter(finals)))


@contextmanager
def locked(shelf: Shelf) -> Iterator[None]:
    """Somebody holds a lock that every writer needs."""
    with closing(shelf.database.driver()) as other:
        other.execute("BEGIN IMMEDIATE" if not shelf.database.shared else "BEGIN")
        if shelf.database.shared:
            other.execute("LOCK TABLE entries IN EXCLUSIVE MODE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def impatient_shelf(address: Path | Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Its writer waits 0.2 s for a lock."""
    monkeypatch.setattr("gateway.infrastructure.database_sqlite._BUSY_TIMEOUT_MS", 200)
    monkeypatch.setitem(database_postgres._SESSION, "lock_timeout", "200ms")
    shelf = made(address, tmp_path)
    yield shelf
    shelf.end()


async def test_an_intent_whose_end_was_not_written_does_not_stay_open(impatient_shelf: Shelf) -> None:
    writer = impatient_shelf.writer()
    await writer.start()
    await writer.append(Shelf.opened("i1"))
    with locked(impatient_shelf), pytest.raises(RecordUnavailable):
        await writer.append(Shelf.closed("i1"))
    store = RecordStore(impatient_shelf.database)
    await until(lambda: store.show("acme", "i1").first("closed") is not None)
    closed = store.show("acme", "i1").first("closed")
    assert closed is not None
    assert (closed.facts["state"], closed.facts["reason"]) == ("indeterminate", "record_unavailable")
    await writer.append(Shelf.opened("i2"))
    await writer.close()
    assert (impatient_shelf.verify().problems, impatient_shelf.verify().open) == ([], 1)


async def test_an_end_whose_beginning_was_not_written_is_not_written(impatient_shelf: Shelf) -> None:
    writer = impatient_shelf.writer()
    await writer.start()
    await writer.append(Shelf.opened("i0"))
    with locked(impatient_shelf):
        opened = writer.append(Shelf.opened("i1"))
        await until(lambda: writer._busy)
        closed = writer.append(Shelf.closed("i1"))
        with pytest.raises(RecordUnavailable):
            await opened
    with pytest.raises(RecordUnavailable):
        await closed
    await writer.append(Shelf.closed("i0"))
    await writer.close()
    assert (kinds(impatient_shelf, "i1"), kinds(impatient_shelf, "i0"), impatient_shelf.verify().problems) == ([], ["closed", "opened"], [])
