from __future__ import annotations

from pathlib import Path

import pytest

from gateway.capabilities.policy.backtest.source import DAY_NS, Raw, Stored, Window, batches
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import EntryRow, Ledger
from gateway.settings import Secret

MS = 1_000_000


def row(tenant: str, seq: int, at_ms: int, kind: str = "opened", content: bytes | None = b"content") -> EntryRow:
    salt = None if content is None else b"salt"
    return EntryRow(tenant, "w1", seq, f"int_{at_ms:012x}{seq // 2:016x}", kind, None, None, b"body", bytes(32), salt, content, None)


@pytest.fixture
def ledger(address: Path | Secret) -> Ledger:
    database = Database(address, durability="process")
    database.prepare()
    return Ledger(database)


def written(ledger: Ledger, rows: list[EntryRow]) -> None:
    with ledger.transaction() as transaction:
        transaction.insert(rows)


def all_of(ledger: Ledger, *tenants: str, window: Window | None = None, limit: int | None = None) -> list[Raw]:
    return [raw for batch in batches(ledger, tenants, window or Window(since_ns=0, until_ns=10**15), limit) for raw in batch]


def test_records_of_several_tenants_come_newest_first(ledger: Ledger) -> None:
    written(ledger, [row(tenant, 2 * at, at) for at in range(1, 90) for tenant in ("acme", "globex") if at % 3 or tenant == "acme"])
    found = all_of(ledger, "acme", "globex")
    assert len(found) == 89 + 60
    assert [raw.intent_id for raw in found] == sorted((raw.intent_id for raw in found), reverse=True)
    assert all_of(ledger, "acme", "globex", limit=5) == found[:5]
    assert {raw.tenant for raw in all_of(ledger, "globex")} == {"globex"}


def test_a_record_has_what_was_opened_and_what_was_closed(ledger: Ledger) -> None:
    written(ledger, [row("acme", 2, 1), row("acme", 3, 1, "closed", None), row("acme", 4, 2)])
    open_one, whole = all_of(ledger, "acme")
    assert (open_one.closed, whole.opened, whole.closed) == (None, Stored(b"body", b"content", True), Stored(b"body", None, False))
    assert whole.size == len(b"body" + b"content" + b"body")


def test_a_record_has_what_was_parked_of_this_intent_alone(ledger: Ledger) -> None:
    waits, other = row("acme", 2, 1), row("acme", 6, 2)
    parked = [waits._replace(seq=seq, kind="parked", body=b"p%d" % seq) for seq in (3, 4)]
    elsewhere = [waits._replace(tenant="globex"), parked[0]._replace(tenant="globex", body=b"theirs")]
    written(ledger, [waits, *parked, other, *elsewhere])
    newest, oldest = all_of(ledger, "acme")
    assert newest.parked == ()
    assert sorted(entry.body for entry in oldest.parked) == [b"p3", b"p4"]
    assert oldest.size == len(b"body" + b"content" + b"p3" + b"content" + b"p4" + b"content")


@pytest.mark.parametrize(("since", "until", "expected"), [(0, 100, [9, 5, 1]), (5, 100, [9, 5]), (0, 9, [5, 1]), (5, 9, [5]), (6, 9, [])])
def test_a_window_begins_with_its_first_millisecond_and_ends_before_its_last(ledger: Ledger, since: int, until: int, expected: list[int]) -> None:
    written(ledger, [row("acme", 2 * at, at) for at in (1, 5, 9)])
    found = all_of(ledger, "acme", window=Window(since_ns=since * MS, until_ns=until * MS))
    assert [int(raw.intent_id[4:16], 16) for raw in found] == expected


def test_what_is_no_id_of_a_gateway_is_in_no_window(ledger: Ledger) -> None:
    odd = [row("acme", seq, 1)._replace(intent_id=name) for seq, name in enumerate(("", "a", "int_", "int_zz", "zz"))]
    written(ledger, [*odd, row("acme", 10, 5)])
    assert [raw.intent_id[:16] for raw in all_of(ledger, "acme")] == ["int_000000000005"]


def test_large_records_come_in_small_batches(ledger: Ledger) -> None:
    written(ledger, [row("acme", 2 * at, at, content=bytes(1_000_000)) for at in range(1, 80)])
    sizes = [len(batch) for batch in batches(ledger, ["acme"], Window(since_ns=0, until_ns=10**15), None)]
    assert sum(sizes) == 79
    assert max(sizes) <= 5


def test_the_length_of_a_window_is_told_in_days() -> None:
    assert Window(since_ns=DAY_NS, until_ns=4 * DAY_NS).days == 3


@pytest.mark.parametrize("stored", ["a text where bytes should be", 7, None])
def test_a_damaged_column_ends_nothing(tmp_path: Path, stored: object) -> None:
    database = Database(tmp_path / "gateway.db", durability="process")
    database.prepare()
    damaged = row("acme", 2, 1)._replace(content=stored, salt=stored)  # type: ignore[arg-type]  # what somebody may have put there
    written(Ledger(database), [damaged])
    assert len(all_of(Ledger(database), "acme")) == 1
