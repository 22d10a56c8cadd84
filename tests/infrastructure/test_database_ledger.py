from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_ledger import EntryRow, Ledger, LedgerWriter, OpenIntent


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(tmp_path / "g.db", durability="process")
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
    assert [opened.intent_id for opened, _ in found] == expected
    assert all(closed is None or closed.intent_id == opened.intent_id for opened, closed in found)


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
    writer = LedgerWriter(database)
    with pytest.raises(DatabaseError, match="UNIQUE"), writer.transaction() as transaction:
        transaction.insert([row("w1", 0, ""), row("w1", 0, "")])
    with writer.transaction() as transaction:
        assert transaction.tips("acme") == {}
        transaction.insert([row("w1", 0, "")])
    writer.close()
    with Ledger(database).snapshot("acme") as snapshot:
        assert sum(1 for _ in snapshot.rows()) == 1


def test_a_database_that_was_replaced_is_noticed_and_its_return_too(database: Database) -> None:
    writer = LedgerWriter(database)
    with writer.transaction():
        pass
    away = database.path.with_suffix(".away")
    database.path.rename(away)
    with pytest.raises(DatabaseError), writer.transaction():
        pass
    with pytest.raises(DatabaseError), writer.transaction():
        pass
    away.rename(database.path)
    with writer.transaction() as transaction:
        assert transaction.open_intents() == []
    writer.close()


def test_text_that_is_no_utf_8_can_still_be_read(ledger: Ledger, database: Database) -> None:
    with closing(database.driver()) as connection:
        connection.execute("UPDATE entries SET state = CAST(x'ff' AS TEXT) WHERE intent_id = 'i1'")
    assert {each.state for each in ledger.of_intent("acme", "i1")} == {"\udcff"}
