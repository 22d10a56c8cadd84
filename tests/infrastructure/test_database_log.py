"""How far the log has come, on either database."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_ledger import EntryRow, Ledger
from gateway.infrastructure.database_log import Chain, LogCursor
from gateway.settings import Secret


def row(writer: str, seq: int, kind: str = "opened", tenant: str = "acme") -> EntryRow:
    return EntryRow(tenant, writer, seq, f"i{seq}", kind, None, None, b"body", bytes(32), b"salt", b"content", None)


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address, durability="process")
    database.prepare()
    with Ledger(database).transaction() as transaction:
        transaction.insert([row("w1", seq) for seq in range(5)] + [row("w2", 0), row("w9", 0, tenant="globex")])
    return database


def test_each_chain_is_read_on_from_where_it_was_left(database: Database) -> None:
    cursor = LogCursor(database)
    assert sorted(cursor.pending("acme")) == [Chain("acme", "w1", -1, 4), Chain("acme", "w2", -1, 0)]
    chain = min(cursor.pending("acme"))
    assert [each.seq for each in cursor.read(chain, 3)] == [0, 1, 2]
    cursor.advance(chain, 2)
    assert min(LogCursor(database).pending("acme")) == Chain("acme", "w1", 2, 4)
    assert [each.seq for each in cursor.read(chain._replace(position=2), 3)] == [3, 4]
    cursor.advance(chain, 4)
    cursor.advance(chain, 1)  # nothing goes back
    assert cursor.pending("acme") == [Chain("acme", "w2", -1, 0)]
    assert cursor.pending("globex") == [Chain("globex", "w9", -1, 0)]
    assert cursor.pending("nobody") == []
    cursor.close()


def test_large_entries_make_small_batches(database: Database) -> None:
    with Ledger(database).transaction() as transaction:
        transaction.insert([row("w3", seq)._replace(content=b"x" * (5 << 20)) for seq in range(4)])
    assert [each.seq for each in LogCursor(database).read(Chain("acme", "w3", -1, 3), 100)] == [0, 1]


def test_the_entry_that_opened_an_intent_is_found_for_its_tenant_alone(database: Database) -> None:
    cursor = LogCursor(database)
    found = cursor.opened("acme", "i3")
    assert found is not None
    assert (found.writer, found.seq) == ("w1", 3)
    assert cursor.opened("globex", "i3") is None


def test_of_several_processes_on_one_server_one_at_a_time_is_elected(database: Database) -> None:
    first, second = LogCursor(database), LogCursor(database)
    assert first.elect()
    assert first.elect()
    assert second.elect() != database.shared
    first.close()
    assert second.elect()
    second.close()


def test_a_database_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    cursor = LogCursor(Database(tmp_path / "none.db"))
    with pytest.raises(DatabaseError):
        cursor.pending("acme")
    cursor.close()
