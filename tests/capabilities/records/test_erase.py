from __future__ import annotations

import asyncio
import time

import pytest

from gateway.capabilities.records.erase import Eraser
from gateway.capabilities.records.store import RecordStore
from gateway.errors import NotFound
from gateway.infrastructure.database_intents import PayloadRow, payloads_of, put_payloads
from tests.capabilities.records.conftest import Shelf
from tests.servers.postgres_server import Postgres

CANARY = b"canary-7f3a"


async def fill(shelf: Shelf, count: int, expires_ns: int | None) -> None:
    writer = shelf.writer()
    await writer.start()
    for number in range(count):
        content = b'{"text":"' + CANARY * 300 + b"%d" % number + b'"}'
        writer.append(Shelf.opened(f"i{number:04d}", content=content, expires_ns=expires_ns), lazy=True)
        done = writer.append(Shelf.closed(f"i{number:04d}", content=content, expires_ns=expires_ns))
        if number % 50 == 49:
            await done
    await done
    await writer.close()


def eraser(shelf: Shelf) -> Eraser:
    return Eraser(shelf.database, heads=shelf.heads, key=shelf.key)


def raw_bytes(shelf: Shelf) -> bytes:
    return b"".join(path.read_bytes() for path in shelf.file.parent.iterdir() if path.is_file())


async def test_an_erased_intent_keeps_its_facts_and_loses_its_content(shelf: Shelf) -> None:
    await fill(shelf, 2, None)
    done = eraser(shelf).intent("acme", "i0000")
    assert done == (1, 2, True)
    record = RecordStore(shelf.database).show("acme", "i0000")
    assert [(entry.kind, entry.content, entry.erased) for entry in record.entries] == [("opened", None, True), ("closed", None, True), ("erased", None, False)]
    assert record.entries[0].facts["route"] == "assistant"
    assert not record.entries[1].matches("released", b"what the caller got")
    report = shelf.verify()
    assert (report.problems, report.erased, report.chains) == ([], 2, 2)


async def test_no_raw_byte_is_left_in_database_or_log(file_shelf: Shelf) -> None:
    await fill(file_shelf, 30, 5)
    assert CANARY in raw_bytes(file_shelf)
    assert eraser(file_shelf).expired("acme", now_ns=5).entries == 60
    assert CANARY not in raw_bytes(file_shelf)


async def test_no_raw_byte_is_left_while_a_server_has_the_database_open(file_shelf: Shelf) -> None:
    writer = file_shelf.writer()
    await writer.start()
    await writer.append(Shelf.opened("i1", content=CANARY * 3_000))
    await writer.append(Shelf.closed("i1", content=CANARY * 3_000))
    assert eraser(file_shelf).intent("acme", "i1").wiped
    assert CANARY not in raw_bytes(file_shelf)
    await writer.append(Shelf.opened("i2"))
    await writer.close()
    assert file_shelf.verify().clean


async def test_what_has_expired_goes_and_the_rest_stays(shelf: Shelf) -> None:
    await fill(shelf, 700, 1_000)
    writer = shelf.writer()
    await writer.start()
    await writer.append(Shelf.opened("kept", expires_ns=time.time_ns() + 10**15))
    await writer.append(Shelf.opened("forever", expires_ns=None))
    await writer.close()
    assert eraser(shelf).expired("acme") == (700, 1_400, True)
    assert eraser(shelf).expired("acme").entries == 0
    store = RecordStore(shelf.database)
    assert [store.show("acme", name).entries[0].erased for name in ("i0001", "kept", "forever")] == [True, False, False]
    assert shelf.verify().problems == []


async def test_another_tenants_intent_is_not_found(shelf: Shelf) -> None:
    await fill(shelf, 1, 1)
    for tenant, intent_id in (("globex", "i0000"), ("acme", "nothing"), ("acme", "")):
        with pytest.raises(NotFound):
            eraser(shelf).intent(tenant, intent_id)
    assert eraser(shelf).expired("globex").entries == 0
    assert not RecordStore(shelf.database).show("acme", "i0000").entries[0].erased


@pytest.mark.services
async def test_no_dead_row_is_left_on_a_server(server_shelf: Shelf, postgres_server: Postgres) -> None:
    await fill(server_shelf, 30, 5)
    name = server_shelf.database.place.rpartition("/")[2]
    postgres_server.admin("CREATE EXTENSION IF NOT EXISTS pgstattuple", name)
    assert eraser(server_shelf).expired("acme", now_ns=5) == (30, 60, True)
    dead = "SELECT dead_tuple_count FROM pgstattuple('{}')"
    toast = "(SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'entries')"
    assert postgres_server.admin(dead.format("entries"), name) == "0\n"
    assert postgres_server.admin(f"SELECT dead_tuple_count FROM pgstattuple({toast})", name) == "0\n"


async def test_two_who_erase_the_same_at_once_leave_a_clean_ledger(shelf: Shelf) -> None:
    await fill(shelf, 300, 5)
    done = await asyncio.gather(*(asyncio.to_thread(eraser(shelf).expired, "acme", now_ns=5) for _ in range(2)))
    assert sum(each.entries for each in done) == 600
    assert shelf.verify().problems == []


def kept(shelf: Shelf, *intent_ids: str, expires_ns: int | None = None) -> None:
    rows = [PayloadRow("acme", intent_id, kind, "k", CANARY * 300, expires_ns) for intent_id in intent_ids for kind in ("call", "draft", "context", "answer")]
    with shelf.database.write() as connection:
        put_payloads(connection, rows)


def kept_of(shelf: Shelf, intent_id: str) -> set[str]:
    with shelf.database.read() as connection:
        return set(payloads_of(connection, "acme", intent_id))


async def test_what_else_is_kept_of_an_erased_intent_goes_with_its_content(shelf: Shelf) -> None:
    await fill(shelf, 2, None)
    kept(shelf, "i0000", "i0001")
    eraser(shelf).intent("acme", "i0000")
    assert (kept_of(shelf, "i0000"), kept_of(shelf, "i0001")) == (set(), {"call", "draft", "context", "answer"})
    kept(shelf, "i0000")
    assert eraser(shelf).intent("acme", "i0000").entries == 0
    assert kept_of(shelf, "i0000") == set()


async def test_what_is_kept_goes_with_its_own_time_and_with_that_of_the_record(shelf: Shelf) -> None:
    await fill(shelf, 1, 5)
    kept(shelf, "i0000", "later")
    kept(shelf, "sooner", expires_ns=5)
    eraser(shelf).expired("acme", now_ns=5)
    assert [bool(kept_of(shelf, name)) for name in ("i0000", "sooner", "later")] == [False, False, True]
    assert shelf.verify().problems == []


async def test_no_byte_of_what_was_kept_is_left_in_the_file(file_shelf: Shelf) -> None:
    await fill(file_shelf, 1, None)
    kept(file_shelf, "i0000")
    assert eraser(file_shelf).intent("acme", "i0000").wiped
    assert CANARY not in raw_bytes(file_shelf)


async def test_an_intent_that_waited_is_erased_in_all_its_chains(shelf: Shelf) -> None:
    for entries in ([Shelf.opened("i1"), Shelf.held("parked", "i1")], [Shelf.held("decided", "i1"), Shelf.held("resumed", "i1"), Shelf.closed("i1")]):
        writer = shelf.writer()
        await writer.start()
        await asyncio.gather(*map(writer.append, entries))
        await writer.close()
    assert eraser(shelf).intent("acme", "i1") == (1, 3, True)
    record = RecordStore(shelf.database).show("acme", "i1")
    assert [entry.content for entry in record.entries] == [None] * 6
    assert record.all("decided")[0].facts["name"] == "Ann Smith"
    report = shelf.verify()
    assert (report.problems, report.erased, report.chains) == ([], 3, 3)
