from __future__ import annotations

from pathlib import Path

import pytest

from gateway.infrastructure.database import Database
from gateway.infrastructure.database_entries import EntryRow, chains_of, genesis_bodies, listed, rows_of
from gateway.infrastructure.database_ledger import Ledger
from gateway.infrastructure.database_schema import entries
from gateway.settings import Secret


def row(writer: str, seq: int, intent_id: str, kind: str = "opened", **fields: object) -> EntryRow:
    base = EntryRow("acme", writer, seq, intent_id, kind, None, "a" if kind == "opened" else None, b"%d" % seq, bytes(32), None, None, None)
    return base._replace(**fields)  # type: ignore[arg-type]  # a table of cases


ROWS = [
    row("w1", 0, "", "genesis"),
    row("w1", 1, "runs"),
    row("w1", 2, "waits"),
    row("w1", 3, "waits", "parked"),
    row("w1", 4, "went_on"),
    row("w1", 5, "went_on", "parked"),
    row("w1", 6, "refused"),
    row("w1", 7, "refused", "parked"),
    row("w1", 8, "again"),
    row("w1", 9, "again", "parked"),
    row("w2", 0, "", "genesis"),
    row("w2", 1, "waits", "decided"),
    row("w2", 2, "went_on", "resumed"),
    row("w2", 3, "refused", "closed", state="refused"),
    row("w2", 4, "again", "resumed"),
    row("w2", 5, "again", "parked"),
    row("w2", 0, "foreign", "opened", tenant="globex"),
    row("w2", 1, "foreign", "parked", tenant="globex"),
]


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address, durability="process")
    database.prepare()
    with Ledger(database).transaction() as transaction:
        transaction.insert(ROWS)
    return database


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (None, [("went_on", False), ("waits", True), ("runs", False), ("refused", False), ("again", True)]),
        ("parked", [("waits", True), ("again", True)]),
        ("running", [("went_on", False), ("runs", False)]),
        ("refused", [("refused", False)]),
        ("completed", []),
    ],
)
def test_an_intent_waits_where_it_was_parked_more_often_than_resumed_in_whatever_chains(
    database: Database, state: str | None, expected: list[tuple[str, bool]]
) -> None:
    with database.read() as connection:
        found = listed(connection, "acme", before=None, limit=10, state=state, route=None)
    assert [(each.opened.intent_id, each.parked) for each in found] == expected


def test_a_list_goes_on_below_an_id_and_keeps_to_its_limit_and_route(database: Database) -> None:
    with database.read() as connection:
        assert [each.opened.intent_id for each in listed(connection, "acme", before="waits", limit=1, state=None, route="a")] == ["runs"]
        assert listed(connection, "acme", before=None, limit=10, state=None, route="b") == []


def test_each_tenant_has_its_chains_and_their_beginnings(database: Database) -> None:
    with database.read() as connection:
        assert [connection.execute(chains_of(tenant).select()).scalars().all()[:-1] for tenant in ("acme", "globex", "nobody")] == [["w1", "w2"], ["w2"], []]
        assert genesis_bodies(connection, "acme") == [b"0", b"0"]
        assert rows_of(connection, entries.select().where(entries.c.intent_id == "foreign", entries.c.seq == 0)) == [ROWS[-2]]
