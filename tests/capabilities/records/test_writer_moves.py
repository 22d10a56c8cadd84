"""Moves: an effect on other tables in the transaction of the entries that tell of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gateway.capabilities.records.store import RecordStore
from gateway.capabilities.records.writer import RecordWriter
from gateway.domain import State
from gateway.errors import RecordUnavailable
from gateway.infrastructure.database_ledger import LedgerTransaction, MoveRefused
from gateway.settings import Secret
from tests.capabilities.records.conftest import Shelf
from tests.servers.postgres_fixtures import Outage

DEADLINE_S = 20


class StaleError(MoveRefused):
    """As the effects of intents raise it."""


def mark(name: str, then: Exception | None = None) -> Callable[[LedgerTransaction], str]:
    """An effect that leaves something behind, and may find afterwards that it must not."""

    def effect(ledger: LedgerTransaction) -> str:
        ledger.connection.execute(text("INSERT INTO marks (name, token) VALUES (:name, :token)"), {"name": name, "token": b"x"})
        if then is not None:
            raise then
        return name

    return effect


def marks(shelf: Shelf) -> set[str]:
    with shelf.database.read() as connection:
        return set(connection.execute(text("SELECT name FROM marks")).scalars())


def chain(shelf: Shelf) -> list[tuple[str, str]]:
    """Intent and kind of all entries of the one chain, in order."""
    with shelf.database.read() as connection:
        found = connection.execute(text("SELECT intent_id, kind FROM entries WHERE kind <> 'genesis' ORDER BY writer, seq"))
        return [(row[0], row[1]) for row in found]


async def started(shelf: Shelf, **options: object) -> RecordWriter:
    writer = shelf.writer(**options)
    await writer.start()
    return writer


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_an_effect_and_its_entries_are_durable_together_when_its_result_is_there(shelf: Shelf) -> None:
    writer = await started(shelf)
    assert await writer.move(mark("a"), Shelf.opened("i1"), Shelf.held("parked", "i1")) == "a"
    assert (marks(shelf), shelf.kinds("i1")) == ({"a"}, ["opened", "parked"])
    assert await writer.move(mark("claim")) == "claim"
    await writer.close()
    report = shelf.verify()
    assert (report.problems, report.open, report.parked, report.entries) == ([], 0, 1, 3)


@pytest.mark.parametrize("error", [MoveRefused("not now"), StaleError("taken"), ValueError("a defect"), RecordUnavailable("of its own")])
async def test_a_refused_move_leaves_nothing_and_touches_nothing_else(shelf: Shelf, error: Exception) -> None:
    writer = await started(shelf)
    results = await asyncio.gather(
        writer.append(Shelf.opened("i1"), lazy=True),
        writer.move(mark("bad", error), Shelf.held("parked", "i1")),
        writer.move(mark("good"), Shelf.opened("i2")),
        writer.append(Shelf.closed("i1")),
        return_exceptions=True,
    )
    assert [*results] == [None, error, "good", None]
    assert (marks(shelf), chain(shelf)) == ({"good"}, [("i1", "opened"), ("i2", "opened"), ("i1", "closed")])
    assert writer.available
    await writer.close()
    assert shelf.verify().clean


async def test_a_failure_of_the_database_in_an_effect_fails_that_move_alone(shelf: Shelf) -> None:
    writer = await started(shelf)
    twice = [writer.move(mark("same"), Shelf.opened(f"i{number}")) for number in range(2)]
    results = await asyncio.gather(*twice, writer.append(Shelf.opened("i9")), return_exceptions=True)
    assert (results[0], type(results[1]), results[2]) == ("same", RecordUnavailable, None)
    assert chain(shelf) == [("i0", "opened"), ("i9", "opened")]
    assert writer.available
    await writer.close()
    assert (shelf.verify().problems, shelf.verify().open) == ([], 2)


ITEMS = st.lists(st.tuples(st.sampled_from(["append", "good", "refused", "defect", "duplicate"]), st.integers(0, 3), st.booleans()), min_size=1, max_size=25)


@given(items=ITEMS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_moves_fail_the_rest_of_the_chain_is_as_it_was_asked_for(shelf: Shelf, items: list[tuple[str, int, bool]]) -> None:
    shelf.run("DELETE FROM entries")
    shelf.run("DELETE FROM marks")
    shelf.run("DELETE FROM open_intents")
    for path in shelf.heads.glob("*"):
        path.unlink()

    async def run() -> list[object]:
        writer = await started(shelf, gather_s=0)
        await writer.move(mark("there"))
        waiting: list[Awaitable[object]] = []
        for number, (what, entries, pause) in enumerate(items):
            name = f"i{number:02d}"
            told = [Shelf.opened(f"{name}{each}") for each in range(entries)]
            if what == "append":
                waiting.append(writer.append(Shelf.opened(name), lazy=bool(entries)))
            else:
                then = {"refused": MoveRefused(name), "defect": LookupError(name)}.get(what)
                waiting.append(writer.move(mark("there" if what == "duplicate" else name, then), *told))
            if pause:
                await asyncio.sleep(0)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        await writer.close()
        return results

    results = asyncio.run(run())
    expected, left = [], {"there"}
    for number, (what, entries, _) in enumerate(items):
        name = f"i{number:02d}"
        if what == "append":
            expected.append((name, "opened"))
        elif what == "good":
            expected += [(f"{name}{each}", "opened") for each in range(entries)]
            left.add(name)
    told = {"append": type(None), "good": str, "refused": MoveRefused, "defect": LookupError, "duplicate": RecordUnavailable}
    assert [type(result) for result in results] == [told[what] for what, _, _ in items]
    assert (chain(shelf), marks(shelf)) == (expected, left)
    report = shelf.verify()
    assert (report.problems, report.open) == ([], len(expected))


async def test_a_batch_that_cannot_be_committed_fails_moves_too_and_leaves_nothing_of_them(shelf: Shelf, outage: Outage) -> None:
    writer = await started(shelf)
    with outage():
        results = await asyncio.gather(
            writer.move(mark("a"), Shelf.opened("i1")), writer.append(Shelf.opened("i2")), writer.move(mark("b"), Shelf.closed("i1")), return_exceptions=True
        )
    assert {type(result) for result in results} == {RecordUnavailable}
    assert await writer.move(mark("c"), Shelf.opened("i3")) == "c"
    assert (marks(shelf), chain(shelf)) == ({"c"}, [("i3", "opened")])
    await writer.close()
    with pytest.raises(RecordUnavailable):
        writer.move(mark("late"))


async def test_moves_that_wait_while_a_batch_fails_keep_their_order_and_those_of_its_intents_fail(shelf: Shelf, outage: Outage) -> None:
    writer = await started(shelf, gather_s=0)
    with outage():
        lost = writer.append(Shelf.opened("i1"))
        assert writer._busy
        waiting: list[Awaitable[object]] = [
            writer.append(Shelf.closed("i1"), lazy=True),
            writer.move(mark("lost"), Shelf.closed("i1")),
            writer.append(Shelf.opened("i2"), lazy=True),
            writer.move(mark("kept"), Shelf.opened("i3")),
        ]
        with pytest.raises(RecordUnavailable):
            await lost
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results[:2]] == [RecordUnavailable] * 2
    again = [result for result in results[2:] if not isinstance(result, RecordUnavailable)]  # the next batch may have met the outage, too
    assert chain(shelf) == ([("i2", "opened"), ("i3", "opened")] if again else [])
    assert marks(shelf) == ({"kept"} if again else set())
    await writer.close()


async def test_a_move_whose_caller_has_left_is_made_all_the_same(shelf: Shelf) -> None:
    writer = await started(shelf)
    writer.move(mark("left"), Shelf.opened("i1")).cancel()
    await writer.append(Shelf.opened("i2"))
    await writer.close()
    assert (marks(shelf), chain(shelf)) == ({"left"}, [("i1", "opened"), ("i2", "opened")])


async def test_a_refusal_that_nobody_waits_for_is_no_unhandled_error(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    writer = await started(shelf)
    writer.move(mark("bad", MoveRefused("no")), Shelf.opened("i1"))
    await writer.append(Shelf.opened("i2"))
    await writer.close()
    assert ("never retrieved" in caplog.text, chain(shelf)) == (False, [("i2", "opened")])


async def test_who_is_in_flight_is_known_through_holds(shelf: Shelf) -> None:
    writer = await started(shelf, gather_s=0)
    await writer.append(Shelf.opened("i1"))
    steps = [("parked", None, set[str]()), ("resumed", MoveRefused("no"), set[str]()), ("resumed", None, {"i1"}), ("closed", MoveRefused("no"), set[str]())]
    for kind, error, running in steps:
        entry = Shelf.closed("i1") if kind == "closed" else Shelf.held(kind, "i1")
        await asyncio.gather(writer.move(mark(f"{kind}{error}", error), entry), return_exceptions=True)
        assert writer._in_flight == running
    await writer.close()


async def test_a_parked_intent_outlives_its_process_and_a_running_one_does_not(shelf: Shelf) -> None:
    dead = await started(shelf)
    for intent_id in ("waits", "went_on", "keyed"):
        shelf.row(intent_id, State.PARKED if intent_id == "waits" else State.RUNNING)
        await dead.move(mark(intent_id), Shelf.opened(intent_id))
    await dead.move(mark("p1"), Shelf.held("parked", "waits"))
    await dead.move(mark("p2"), Shelf.held("parked", "went_on"))
    await dead.move(mark("r2"), Shelf.held("resumed", "went_on"))
    await dead.close()
    await asyncio.sleep(0.2 if shelf.database.shared else 0)
    writer = await started(shelf)
    assert writer.recovered == 2
    await writer.close()
    store = RecordStore(shelf.database)
    assert {name: store.show("acme", name).state for name in ("waits", "went_on", "keyed")} == {
        "waits": "parked",
        "went_on": "indeterminate",
        "keyed": "indeterminate",
    }
    assert [shelf.state_of(name) for name in ("waits", "went_on", "keyed")] == [("parked", 1), ("indeterminate", 2), ("indeterminate", 2)]
    report = shelf.verify()
    assert (report.problems, report.open, report.parked) == ([], 0, 1)


async def test_an_intent_whose_end_was_lost_is_indeterminate_in_its_row_too(shelf: Shelf, outage: Outage) -> None:
    writer = await started(shelf)
    shelf.row("i1")
    await writer.append(Shelf.opened("i1"))
    with outage(), pytest.raises(RecordUnavailable):
        await writer.move(mark("end"), Shelf.closed("i1"))
    await until(lambda: RecordStore(shelf.database).show("acme", "i1").state == "indeterminate")
    await writer.close()
    assert (shelf.state_of("i1"), marks(shelf), shelf.verify().problems) == (("indeterminate", 2), set(), [])


async def test_a_decision_that_was_lost_does_not_end_the_intent_that_runs(shelf: Shelf, outage: Outage) -> None:
    writer = await started(shelf)
    await writer.append(Shelf.opened("i1"))
    with outage(), pytest.raises(RecordUnavailable):
        await writer.move(mark("late"), Shelf.held("decided", "i1"))
    await writer.append(Shelf.closed("i1"))
    await writer.close()
    assert (shelf.kinds("i1"), shelf.verify().problems) == (["opened", "closed"], [])


async def test_an_intent_goes_on_in_another_process_and_its_record_is_one(shelf: Shelf) -> None:
    one = await started(shelf)
    await one.append(Shelf.opened("i1"))
    await one.move(mark("park"), Shelf.held("parked", "i1"))
    if not shelf.database.shared:
        await one.close()
    other = await started(shelf)
    await other.move(mark("decide"), Shelf.held("decided", "i1"))
    await other.move(mark("resume"), Shelf.held("resumed", "i1"))
    assert RecordStore(shelf.database).show("acme", "i1").state == "running"
    assert (shelf.verify().problems, shelf.verify().open) == ([], 1)
    await other.move(mark("close"), Shelf.closed("i1"))
    await other.close()
    await one.close()
    record = RecordStore(shelf.database).show("acme", "i1")
    assert (record.state, [entry.kind for entry in record.entries]) == ("completed", ["opened", "parked", "decided", "resumed", "closed"])
    assert len({entry.writer for entry in record.entries}) == 2
    report = shelf.verify()
    assert (report.problems, report.open, report.parked, report.chains) == ([], 0, 0, 2)


KILLED = """
import asyncio, os, sys
from pathlib import Path
from sqlalchemy import text
from gateway.settings import Secret
from gateway.infrastructure.database_ledger import MoveRefused
from tests.capabilities.records.conftest import Shelf, made
from tests.capabilities.records.test_writer_moves import mark

async def call(writer, number):
    intent_id = f"i{number:06d}"
    error = MoveRefused("no") if number % 3 == 0 else None
    if number % 2:
        await writer.append(Shelf.opened(intent_id))
        moved = writer.move(mark(intent_id, error), Shelf.held("parked", intent_id))
    else:
        moved = writer.move(mark(intent_id, error), Shelf.opened(intent_id), Shelf.held("parked", intent_id))
    try:
        await moved
    except MoveRefused:
        print("refused", intent_id, flush=True)
    else:
        print("moved", intent_id, flush=True)

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


@pytest.mark.parametrize("after_s", [0.2, 0.4])
async def test_no_kill_parts_an_effect_from_its_entries(shelf: Shelf, after_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.capabilities.records.writer.SWEEP_S", 0.1)

    def run_and_kill() -> list[str]:
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

    said = await asyncio.to_thread(run_and_kill)
    writer = await started(shelf)
    await until(lambda: not shelf.verify().open)
    await writer.close()
    parked = {intent_id for intent_id, kind in chain(shelf) if kind == "parked"}
    moved, refused = ({line.split()[1] for line in said if line.startswith(word) and len(line.split()) == 2} for word in ("moved", "refused"))
    assert moved
    assert moved <= parked
    assert not refused & parked
    assert marks(shelf) == parked
    report = shelf.verify()
    assert (report.problems, report.open, report.parked) == ([], 0, len(parked))


@pytest.mark.services
class TestOnAServer:
    async def test_a_move_that_waits_for_a_process_that_stands_still_is_given_up_and_calls_go_on(self, server_shelf: Shelf) -> None:
        writer = await started(server_shelf)
        await writer.move(mark("contended"))

        def take(ledger: LedgerTransaction) -> None:
            ledger.lock("same")
            ledger.connection.execute(text("UPDATE marks SET token = 'y' WHERE name = 'contended'"))

        with server_shelf.database.bare() as frozen:
            frozen.exec_driver_sql("BEGIN")
            frozen.exec_driver_sql("UPDATE marks SET token = 'z' WHERE name = 'contended'")
            results = await asyncio.gather(writer.move(take, Shelf.opened("i1")), writer.append(Shelf.opened("i2")), return_exceptions=True)
            frozen.exec_driver_sql("ROLLBACK")
        assert [type(result) for result in results] == [RecordUnavailable, type(None)]
        await writer.move(take, Shelf.opened("i3"))
        await writer.close()
        assert chain(server_shelf) == [("i2", "opened"), ("i3", "opened")]

    async def test_processes_that_move_the_same_rows_in_opposite_orders_all_come_to_an_end(self, server_shelf: Shelf) -> None:
        writers = [await started(server_shelf, gather_s=0.01) for _ in range(2)]
        await asyncio.gather(*(writers[0].move(mark(f"row{number}")) for number in range(6)))

        def take(name: str) -> Callable[[LedgerTransaction], None]:
            def effect(ledger: LedgerTransaction) -> None:
                ledger.connection.execute(text("UPDATE marks SET token = 'y' WHERE name = :name"), {"name": name})
                ledger.lock(name)

            return effect

        def all_of(number: int) -> list[Awaitable[object]]:
            order = range(6) if number % 2 else reversed(range(6))
            return [writers[number % 2].move(take(f"row{each}"), Shelf.opened(f"i{number}_{each}")) for each in order]

        results = []
        for number in range(0, 12, 2):
            results += await asyncio.gather(*all_of(number), *all_of(number + 1), return_exceptions=True)
            ordinary = await asyncio.gather(*(writer.append(Shelf.opened(f"o{number}{writer.writer}")) for writer in writers), return_exceptions=True)
            assert ordinary == [None, None]
        assert {type(result) for result in results} <= {type(None), RecordUnavailable}
        for writer in writers:
            await writer.close()
        assert server_shelf.verify().problems == []
        assert sum(result is None for result in results) == sum(intent_id.startswith("i") for intent_id, _ in chain(server_shelf))

    async def test_a_connection_that_breaks_in_an_effect_fails_the_whole_batch(self, server_shelf: Shelf) -> None:
        writer = await started(server_shelf)
        await writer.append(Shelf.opened("i0"))

        def cut(ledger: LedgerTransaction) -> None:
            ledger.connection.connection.dbapi_connection.close()  # type: ignore[union-attr]  # it is an open connection
            raise psycopg.OperationalError("the connection is lost")

        results = await asyncio.gather(writer.append(Shelf.opened("i1")), writer.move(cut, Shelf.opened("i2")), return_exceptions=True)
        assert {type(result) for result in results} == {RecordUnavailable}
        await until(lambda: writer.available)
        await writer.append(Shelf.closed("i0"))
        await writer.close()
        assert (chain(server_shelf), server_shelf.verify().problems) == ([("i0", "opened"), ("i0", "closed")], [])

    async def test_an_intent_that_another_process_has_ended_is_not_parked(self, server_shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.capabilities.records.writer.SWEEP_S", 0.2)
        slow, quick = server_shelf.writer(), server_shelf.writer()
        await quick.start()
        await slow.start()
        server_shelf.row("i1")
        await slow.append(Shelf.opened("i1"))
        slow._journal._ledger.close()  # its connection ends, and it does not notice: nothing keeps it busy
        await until(lambda: quick.recovered == 1)
        late = await asyncio.gather(slow.move(mark("park"), Shelf.held("parked", "i1")), return_exceptions=True)
        assert [type(result) for result in late] == [RecordUnavailable]
        await slow.move(mark("other"), Shelf.opened("i2"), Shelf.held("parked", "i2"))
        await asyncio.gather(slow.close(), quick.close())
        assert (sorted(server_shelf.kinds("i1")), server_shelf.state_of("i1")) == (["closed", "opened"], ("indeterminate", 2))
        assert (marks(server_shelf), server_shelf.verify().problems) == ({"other"}, [])
