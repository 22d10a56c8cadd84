from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_intents import IntentRow, PayloadRow, insert_intent, intent_of, payload_of, put_payloads
from gateway.infrastructure.database_ledger import _INSERT, Effect, EntryRow, Ledger, LedgerTransaction, LedgerWriter, MoveRefused, OpenIntent
from gateway.infrastructure.database_schema import entries
from gateway.settings import Secret


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address, durability="process")
    database.prepare()
    return database


def row(writer: str, seq: int, intent_id: str, kind: str = "opened", **fields: object) -> EntryRow:
    base = EntryRow("acme", writer, seq, intent_id, kind, None, None, b"body %d" % seq, bytes(32), b"salt", b"content", 100 + seq)
    return base._replace(**fields)  # type: ignore[arg-type]  # a table of cases


ROWS = [
    row("w1", 0, "", "genesis"),
    row("w1", 1, "i1", route="a"),
    row("w1", 2, "i2", route="b"),
    row("w1", 3, "i1", "closed", state="refused"),
    row("w2", 0, "", "genesis"),
    row("w2", 1, "i3", route="a"),
    row("w2", 2, "i3", "closed", state="completed"),
    row("w1", 0, "i9", route="a", tenant="globex"),
]


@pytest.fixture
def ledger(database: Database) -> Ledger:
    ledger = Ledger(database)
    with ledger.transaction() as transaction:
        transaction.insert(ROWS)
    return ledger


def test_a_chain_is_known_by_its_last_entry(ledger: Ledger) -> None:
    with ledger.transaction() as transaction:
        assert transaction.tips("acme") == {"w1": 3, "w2": 2}
        assert transaction.head("acme", "w2") == (2, bytes(32))
        assert transaction.head("acme", "w9") is None
        assert transaction.genesis_bodies("acme") == [b"body 0", b"body 0"]
        assert transaction.tips("nobody") == {}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["i3", "i2", "i1"]),
        ({"limit": 2}, ["i3", "i2"]),
        ({"before": "i3"}, ["i2", "i1"]),
        ({"route": "a"}, ["i3", "i1"]),
        ({"state": "refused"}, ["i1"]),
        ({"state": "running"}, ["i2"]),
        ({"state": "completed", "route": "b"}, []),
    ],
)
def test_intents_are_listed_newest_first_by_state_and_route(ledger: Ledger, filters: dict[str, object], expected: list[str]) -> None:
    asked: dict[str, object] = {"before": None, "limit": 10, "state": None, "route": None, **filters}
    found = ledger.intents("acme", **asked)  # type: ignore[arg-type]  # a table of cases
    assert [opened.intent_id for opened, _, _ in found] == expected
    assert all(closed is None or closed.intent_id == opened.intent_id for opened, closed, _ in found)


def test_a_tenant_sees_no_other_tenants_entries(ledger: Ledger) -> None:
    assert ledger.of_intent("acme", "i9") == []
    assert [each.intent_id for each in ledger.of_intent("globex", "i9")] == ["i9"]
    with ledger.snapshot("globex") as snapshot:
        assert [each.tenant for each in snapshot.rows()] == ["globex"]


def test_a_snapshot_does_not_see_what_comes_later(ledger: Ledger) -> None:
    with ledger.snapshot("acme") as snapshot:
        with ledger.transaction() as transaction:
            transaction.insert([row("w2", 3, "i4")])
        assert sum(1 for _ in snapshot.rows()) == 7
    with ledger.snapshot("acme") as snapshot:
        assert sum(1 for _ in snapshot.rows()) == 8


def test_entries_are_erasable_by_intent_or_by_expiry_until_they_are_erased(ledger: Ledger) -> None:
    with ledger.transaction() as transaction:
        assert {each.seq for each in transaction.erasable("acme", intent_id="i1")} == {1, 3}
        expired = transaction.erasable("acme", before_ns=101)
        assert {(each.writer, each.seq) for each in expired} == {("w1", 0), ("w1", 1), ("w2", 0), ("w2", 1)}
        transaction.erase(expired)
        assert transaction.erasable("acme", before_ns=101) == []
    assert [(each.salt, each.content) for each in ledger.of_intent("acme", "i3")] == [(None, None), (b"salt", b"content")]


def test_open_intents_are_tracked(ledger: Ledger) -> None:
    with ledger.transaction() as transaction:
        transaction.track([OpenIntent("acme", "i1", "w1"), OpenIntent("globex", "i2", "w1")], [])
        transaction.track([], [("acme", "i1")])
        assert transaction.open_intents() == [OpenIntent("globex", "i2", "w1")]


def test_a_failed_transaction_leaves_nothing_and_the_next_one_works(database: Database) -> None:
    writer = LedgerWriter(database, "w1")
    with pytest.raises(DatabaseError, match=r"UNIQUE|unique constraint"), writer.transaction() as transaction:
        transaction.insert([row("w1", 0, ""), row("w1", 0, "")])
    with writer.transaction() as transaction:
        assert transaction.tips("acme") == {}
        transaction.insert([row("w1", 0, "")])
    writer.close()
    with Ledger(database).snapshot("acme") as snapshot:
        assert sum(1 for _ in snapshot.rows()) == 1


def test_the_statement_that_appends_names_every_column() -> None:
    names = _INSERT[_INSERT.index("(") + 1 : _INSERT.index(")")]
    assert names.split(", ") == list(EntryRow._fields) == [column.name for column in entries.columns]
    assert _INSERT.count("?") == len(EntryRow._fields)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Database(tmp_path / "g.db").prepare()
    return tmp_path / "g.db"


def test_a_file_that_was_replaced_is_noticed_and_its_return_too(file: Path) -> None:
    database = Database(file)
    writer = LedgerWriter(database, "w1")
    with writer.transaction():
        pass
    away = file.with_suffix(".away")
    file.rename(away)
    with pytest.raises(DatabaseError), writer.transaction():
        pass
    with pytest.raises(DatabaseError), writer.transaction():
        pass
    away.rename(file)
    with writer.transaction() as transaction:
        assert transaction.open_intents() == []
    writer.close()


def test_text_that_is_no_utf_8_can_still_be_read_from_a_file(file: Path) -> None:
    ledger = Ledger(Database(file))
    with ledger.transaction() as transaction:
        transaction.insert(ROWS)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE entries SET state = CAST(x'ff' AS TEXT) WHERE intent_id = 'i1'")
    assert {each.state for each in ledger.of_intent("acme", "i1")} == {"\udcff"}


@pytest.mark.parametrize("text", ["\udcff", "a\ud83d"])
def test_a_text_that_is_no_unicode_is_an_error_of_the_database(ledger: Ledger, text: str) -> None:
    with pytest.raises(DatabaseError, match="no Unicode"):
        ledger.of_intent("acme", text)
    with pytest.raises(DatabaseError, match="no Unicode"), ledger.transaction() as transaction:
        transaction.insert([row("w3", 0, text)])


def test_only_intents_of_dead_writers_are_abandoned(database: Database) -> None:
    alive, asking = LedgerWriter(database, "alive"), LedgerWriter(database, "asking")
    for writer, name in ((alive, "alive"), (asking, "asking")):
        with writer.transaction() as transaction:
            transaction.track([OpenIntent("acme", f"of {name}", name), OpenIntent("acme", f"of a dead one, seen by {name}", "dead")], [])
    with asking.transaction() as transaction:
        found = {intent.writer for intent in transaction.abandoned("asking")}
        assert transaction.open_of("asking") == {("acme", "of asking")}
    assert found == ({"dead"} if database.shared else {"dead", "alive"})
    alive.close()
    with asking.transaction() as transaction:
        assert {intent.writer for intent in transaction.abandoned("asking")} == {"dead", "alive"}
    asking.close()


def marked(name: str, error: Exception | None = None) -> Effect[str]:
    def effect(ledger: LedgerTransaction) -> str:
        ledger.lock(name)
        ledger.connection.execute(text("INSERT INTO marks (name, token) VALUES (:name, 'x')"), {"name": name})
        if error is not None:
            raise error
        return name

    return effect


def test_what_a_failed_effect_did_is_undone_and_the_transaction_goes_on(database: Database) -> None:
    writer, error = LedgerWriter(database, "w1"), MoveRefused("no")
    with writer.transaction() as transaction:
        transaction.prepare_moves()
        results = [transaction.attempt(effect) for effect in (marked("a"), marked("b", error), marked("a"), marked("c"))]
        transaction.prepare_moves(hurry=True)
        transaction.insert([row("w1", 0, "")])
    writer.close()
    assert [result for result, _ in results] == ["a", None, None, "c"]
    assert (results[1].error, type(results[2].error)) == (error, DatabaseError)
    with database.read() as connection:
        assert set(connection.execute(text("SELECT name FROM marks")).scalars()) == {"a", "c"}


def test_a_transaction_that_is_gone_with_an_effect_is_not_committed(database: Database) -> None:
    def ended(ledger: LedgerTransaction) -> None:
        ledger.connection.exec_driver_sql("ROLLBACK")
        raise MoveRefused("no")

    writer = LedgerWriter(database, "w1")
    with pytest.raises(DatabaseError), writer.transaction() as transaction:
        transaction.attempt(ended)
    with writer.transaction() as transaction:
        assert transaction.tips("acme") == {}
    writer.close()


@pytest.mark.services
def test_a_name_is_held_by_one_transaction_of_all_processes(ready_postgres: Secret) -> None:
    one, other = (LedgerWriter(Database(ready_postgres), name) for name in ("w1", "w2"))
    with one.transaction() as holding:
        holding.lock("same")
        with other.transaction() as waiting:
            waiting.prepare_moves()
            assert waiting.attempt(lambda ledger: ledger.lock("another")).error is None
            assert isinstance(waiting.attempt(lambda ledger: ledger.lock("same")).error, DatabaseError)
    with other.transaction() as waiting:
        assert waiting.attempt(lambda ledger: ledger.lock("same")).error is None
    one.close()
    other.close()


def test_abandoned_intents_that_run_by_their_row_become_indeterminate_and_no_others(database: Database) -> None:
    for name, state in (("runs", "running"), ("waits", "parked"), ("ended", "completed")):
        with database.write() as connection:
            insert_intent(
                connection, IntentRow("acme", name, "key_1", state, 4, "chat", "a", False, "0", None, 1, 1, "", None, None, 0, None, None, None, None)
            )
    with Ledger(database).transaction() as transaction:
        transaction.abandon([("acme", name) for name in ("runs", "waits", "ended", "none")] + [("globex", "runs")], 77)
    with database.read() as connection:
        rows = [intent_of(connection, "acme", name) for name in ("runs", "waits", "ended")]
    assert [(found.state, found.version, found.changed_ns) for found in rows if found] == [("indeterminate", 5, 77), ("parked", 4, 1), ("completed", 4, 1)]


def test_what_is_kept_of_intents_is_forgotten_by_intent_and_by_time(database: Database) -> None:
    kept = [
        PayloadRow(tenant, name, "call", "k", b"sealed", expires) for tenant in ("acme", "globex") for name, expires in (("i1", 5), ("i2", 9), ("i3", None))
    ]
    with database.write() as connection:
        put_payloads(connection, kept)
    with Ledger(database).transaction() as transaction:
        transaction.forget([("acme", "i3"), ("acme", "none")])
        transaction.forget_expired("acme", 5)
    with database.read() as connection:
        left = [(each.tenant, each.intent_id) for each in kept if payload_of(connection, each.tenant, each.intent_id, "call")]
    assert left == [("acme", "i2"), ("globex", "i1"), ("globex", "i2"), ("globex", "i3")]
