from __future__ import annotations

import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from gateway.capabilities.records.chain import draft
from gateway.capabilities.records.heads import HeadFiles, read_head, read_heads
from gateway.capabilities.records.journal import Journal, JournalError, Move
from gateway.infrastructure.database_ledger import Ledger, LedgerTransaction, MoveRefused
from tests.capabilities.records.conftest import KEY, Shelf
from tests.servers.postgres_fixtures import Outage
from tests.servers.postgres_server import Postgres


def journal(shelf: Shelf, writer: str = "w1") -> Journal:
    return Journal(shelf.database, HeadFiles(shelf.heads, KEY, writer, sync=False), writer)


def noted_open(shelf: Shelf) -> set[str]:
    with Ledger(shelf.database).snapshot("acme") as snapshot:
        return snapshot.open_intents()


def test_a_batch_is_one_commit_and_its_heads_follow(shelf: Shelf) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("i1")), draft(Shelf.opened("i2", "globex"))])
    assert shelf.verify().unsigned == 2
    one.sign()
    assert [read_head(read_heads(shelf.heads, tenant)["w1"], KEY.verify_key).link.seq for tenant in ("acme", "globex")] == [1, 1]
    assert shelf.verify().unsigned == 0
    one.close()


def test_only_intents_that_outlive_their_batch_are_noted_as_open(shelf: Shelf) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("quick")), draft(Shelf.closed("quick")), draft(Shelf.opened("slow"))])
    assert noted_open(shelf) == {"slow"}
    one.commit([draft(Shelf.closed("slow"))])
    assert noted_open(shelf) == set()
    one.close()


def test_an_intent_is_open_while_a_process_runs_it_and_not_while_it_waits(shelf: Shelf) -> None:
    one = journal(shelf)
    steps = [
        (["opened", "parked"], set[str]()),
        (["decided"], set()),
        (["resumed"], {"i"}),
        (["parked", "decided", "resumed"], {"i"}),
        (["parked"], set()),
        (["resumed", "closed"], set()),
    ]
    for kinds, expected in steps:
        entries = [Shelf.opened("i") if kind == "opened" else Shelf.closed("i") if kind == "closed" else Shelf.held(kind, "i") for kind in kinds]
        one.commit([draft(entry) for entry in entries])
        assert noted_open(shelf) == expected
        assert [problem.what for problem in shelf.verify().problems] == []
    one.close()


def test_moves_stand_between_the_entries_that_came_before_and_after_them(shelf: Shelf) -> None:
    one = journal(shelf)
    moves = [Move(effect=lambda _: "first", drafts=(draft(Shelf.opened("m0")), draft(Shelf.held("parked", "m0"))), at=0)]
    moves.append(Move(effect=refuse, drafts=(draft(Shelf.opened("m1")),), at=1))
    moves.append(Move(effect=lambda _: None, drafts=(draft(Shelf.opened("m2")),), at=2))
    one.commit([draft(Shelf.opened("a")), draft(Shelf.opened("b"))], moves)
    one.close()
    with Ledger(shelf.database).snapshot("acme") as snapshot:
        assert [row.intent_id for row in snapshot.rows()] == ["", "m0", "m0", "a", "b", "m2"]
    assert ([move.result for move in moves], [type(move.error) for move in moves]) == (["first", None, None], [type(None), MoveRefused, type(None)])
    assert noted_open(shelf) == {"a", "b", "m2"}


def refuse(_: LedgerTransaction) -> None:
    raise MoveRefused("not now")


def test_a_batch_without_moves_asks_the_database_for_nothing_more(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("i1"))])
    calls = list[str]()
    for name in ("prepare_moves", "attempt", "lock", "head", "open_of"):
        monkeypatch.setattr(LedgerTransaction, name, lambda *_, name=name: calls.append(name))
    one.commit([draft(Shelf.opened("i2")), draft(Shelf.closed("i1"))])
    one.close()
    assert (calls, shelf.verify().problems) == ([], [])


def test_what_a_dead_writer_left_open_is_closed_once(shelf: Shelf) -> None:
    dead = journal(shelf)
    dead.commit([draft(Shelf.opened("i1")), draft(Shelf.opened("i2"))])
    dead.commit([draft(Shelf.closed("i2"))])
    dead.close()
    one, other = journal(shelf, "w2"), journal(shelf, "w3")
    assert recovered(one) == 1
    assert other.recover() == 0
    assert [row.state for row in Ledger(shelf.database).of_intent("acme", "i1") if row.kind == "closed"] == ["indeterminate"]
    assert shelf.verify().clean


def recovered(by: Journal) -> int:
    """A server takes a moment to see that a connection has ended."""
    deadline = time.monotonic() + 10
    while not (found := by.recover()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_a_kill_between_commit_and_head_is_no_alarm(shelf: Shelf) -> None:
    killed = journal(shelf)
    killed.commit([draft(Shelf.opened("i1"))])
    report = shelf.verify()
    assert (report.clean, report.unsigned) == (True, 2)
    killed._ledger.close()
    recovered(journal(shelf, "w2"))
    report = shelf.verify()
    assert (report.clean, report.unsigned) == (True, 0)


def test_a_failed_batch_leaves_the_chain_as_it_was(shelf: Shelf, outage: Outage) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("i1"))])
    with outage():
        with pytest.raises(JournalError):
            one.commit([draft(Shelf.opened("i2"))])
        with pytest.raises(JournalError):
            one.probe()
    one.commit([draft(Shelf.closed("i1"))])
    one.probe()
    report = shelf.verify()
    assert (report.problems, report.entries, report.open, report.unsigned) == ([], 3, 0, 0)


def test_nothing_is_committed_while_heads_cannot_be_written(shelf: Shelf, tmp_path: Path) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("i1"))])
    one.sign()
    shutil.rmtree(shelf.heads)
    shelf.heads.write_text("a file where the folder was")
    one.commit([draft(Shelf.closed("i1"))])
    for _ in range(2):
        with pytest.raises(JournalError):
            one.commit([draft(Shelf.opened("i2"))])
    shelf.heads.unlink()
    one.commit([draft(Shelf.opened("i3"))])
    one.sign()
    report = shelf.verify()
    assert (report.problems, report.entries, report.open) == ([], 4, 1)
    one.close()


def test_a_database_that_was_set_back_is_not_written_over(shelf: Shelf) -> None:
    one = journal(shelf)
    for intent_id in ("i1", "i2"):
        one.commit([draft(Shelf.opened(intent_id))])
        one.commit([draft(Shelf.closed(intent_id))])
    one.commit([draft(Shelf.opened("i3"))])
    one.sign()
    shelf.run("DELETE FROM entries WHERE seq > 2")
    one._in_doubt = True
    one._links.clear()
    with pytest.raises(JournalError, match="was set back"):
        one.commit([draft(Shelf.closed("i3"))])
    assert one.writer != "w1"
    assert one.commit([draft(Shelf.closed("i3")), draft(Shelf.opened("i4"))]) == {("acme", "i3")}
    one.commit([draft(Shelf.closed("i4"))])
    one.sign()
    one.close()
    said = [problem.what for problem in shelf.verify().problems if problem.writer == "w1"]
    assert any("entry 5, which its signed head" in what for what in said)


@pytest.mark.services
class TestOnAServer:
    def test_the_intents_of_a_living_writer_are_left_alone(self, server_shelf: Shelf) -> None:
        living = journal(server_shelf)
        living.commit([draft(Shelf.opened("i1"))])
        other = journal(server_shelf, "w2")
        assert other.recover() == 0
        living.commit([draft(Shelf.closed("i1"))])
        assert server_shelf.verify().clean

    def test_of_many_who_recover_at_once_one_closes_each_intent(self, server_shelf: Shelf) -> None:
        for number in range(4):
            dead = journal(server_shelf, f"dead{number}")
            dead.commit([draft(Shelf.opened(f"i{number}{each}", tenant)) for each in range(10) for tenant in ("acme", "globex")])
            dead.close()
        time.sleep(0.2)
        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(lambda number: journal(server_shelf, f"w{number}").recover(), range(4)))
        assert sum(counts) == 80
        for tenant in ("acme", "globex"):
            with Ledger(server_shelf.database).snapshot(tenant) as snapshot:
                ends = Counter(row.intent_id for row in snapshot.rows() if row.kind == "closed")
            assert set(ends.values()) == {1}
            assert server_shelf.verify(tenant).clean

    def test_a_writer_that_lost_its_connection_goes_on_where_it_was(self, server_shelf: Shelf, postgres_server: Postgres) -> None:
        one = journal(server_shelf)
        one.commit([draft(Shelf.opened("i1"))])
        postgres_server.cut(name(server_shelf))
        with pytest.raises(JournalError):
            one.commit([draft(Shelf.opened("i2"))])
        assert one.commit([draft(Shelf.closed("i1"))]) == frozenset()
        one.sign()
        assert noted_open(server_shelf) == set()
        assert (server_shelf.verify().problems, server_shelf.verify().unsigned) == ([], 0)

    def test_an_end_that_comes_after_somebody_elses_is_left_out(self, server_shelf: Shelf, postgres_server: Postgres) -> None:
        one, other = journal(server_shelf), journal(server_shelf, "w2")
        one.commit([draft(Shelf.opened("i1")), draft(Shelf.opened("i2", "globex"))])
        postgres_server.cut(name(server_shelf))
        assert recovered(other) == 2
        with pytest.raises(JournalError):
            one.probe()
        assert one.commit([draft(Shelf.closed("i1")), draft(Shelf.opened("i3"))]) == {("acme", "i1")}
        assert one.commit([draft(Shelf.closed("i2", "globex")), draft(Shelf.closed("i3"))]) == {("globex", "i2")}
        states = [row.state for row in Ledger(server_shelf.database).of_intent("acme", "i1") if row.kind == "closed"]
        assert states == ["indeterminate"]
        assert [server_shelf.verify(tenant).problems for tenant in ("acme", "globex")] == [[], []]

    def test_a_commit_whose_answer_was_lost_is_not_repeated(self, server_shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        one = journal(server_shelf)
        one.commit([draft(Shelf.opened("i1"))])
        deaf(one, monkeypatch)
        with pytest.raises(JournalError):
            one.commit([draft(Shelf.closed("i1")), draft(Shelf.opened("i2"))])
        one.probe()
        ends = [[row.state for row in Ledger(server_shelf.database).of_intent("acme", intent) if row.kind == "closed"] for intent in ("i1", "i2")]
        assert ends == [["completed"], ["indeterminate"]]
        assert server_shelf.verify().problems == []


def name(shelf: Shelf) -> str:
    return shelf.database.place.rpartition("/")[2]


def deaf(one: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next commit is done, and the connection breaks before its answer has come."""
    assert one._ledger._open is not None
    driver = one._ledger._open.connection.connection.dbapi_connection
    execute = driver.execute  # type: ignore[union-attr]  # it is an open connection

    def cut(sql: str) -> object:
        done = execute(sql)
        if sql == "COMMIT":
            driver.close()  # type: ignore[union-attr]  # it is an open connection
            raise psycopg.OperationalError("the connection is lost")
        return done

    monkeypatch.setattr(driver, "execute", cut)
