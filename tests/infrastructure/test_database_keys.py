from __future__ import annotations

from pathlib import Path

import pytest

from gateway.infrastructure.database import Database
from gateway.infrastructure.database_keys import KeyRow, KeyTable
from gateway.settings import Secret


@pytest.fixture
def table(address: Path | Secret) -> KeyTable:
    database = Database(address)
    database.prepare()
    return KeyTable(database)


def row(key_id: str, tenant: str = "acme", created_ns: int = 1) -> KeyRow:
    return KeyRow(key_id, tenant, "name", b"digest", "[]", "[]", '["*"]', created_ns, None, None)


def test_a_tenant_sees_its_own_keys_oldest_first(table: KeyTable) -> None:
    for each in (row("b", created_ns=2), row("a", created_ns=1), row("c", "globex")):
        table.add(each)
    assert [each.id for each in table.of_tenant("acme")] == ["a", "b"]


def test_only_its_own_tenant_can_revoke_a_key(table: KeyTable) -> None:
    table.add(row("a"))
    assert not table.revoke("globex", "a", 5)
    assert table.revoke("acme", "a", 6)
    assert table.revoke("acme", "a", 7)
    assert [each.revoked_ns for each in table.of_tenant("acme")] == [6]


def test_every_change_renews_the_token_and_nothing_else_does(table: KeyTable) -> None:
    first = table.changed(None)
    assert first is not None
    assert first[1] == []
    table.add(row("a"))
    second = table.changed(first[0])
    assert second is not None
    assert [each.id for each in second[1]] == ["a"]
    assert table.changed(second[0]) is None
    table.revoke("acme", "a", 6)
    third = table.changed(second[0])
    assert third is not None
    assert third[0] != second[0]
