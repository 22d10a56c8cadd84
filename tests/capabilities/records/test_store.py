from __future__ import annotations

import orjson
import pytest

from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.store import RecordStore
from gateway.errors import NotFound
from tests.capabilities.records.conftest import Shelf


@pytest.fixture
async def store(shelf: Shelf) -> RecordStore:
    return await fill(shelf)


async def fill(shelf: Shelf) -> RecordStore:
    writer = shelf.writer()
    await writer.start()
    for number in range(5):
        writer.append(Shelf.opened(f"int_{number}", at_ns=1_000_000_000 + number), lazy=True)
        await writer.append(Shelf.closed(f"int_{number}", at_ns=1_000_000_000 + number + 2_500_000))
    writer.append(Shelf.opened("int_5", facts={"route": "other"}), lazy=True)
    writer.append(Shelf.opened("int_6", "globex"), lazy=True)
    await writer.append(Shelf.closed("int_6", "globex", facts={"state": "refused", "reason": "policy.denied"}))
    await writer.close()
    return RecordStore(shelf.database)


def test_a_list_goes_from_new_to_old_in_pages(store: RecordStore) -> None:
    pages, cursor = [], None
    while True:
        page = store.list("acme", limit=2, cursor=cursor)
        pages.append([item["id"] for item in page.items])
        cursor = page.cursor
        if cursor is None:
            break
    assert pages == [["int_5", "int_4"], ["int_3", "int_2"], ["int_1", "int_0"]]


def test_an_item_says_what_became_of_the_intent(store: RecordStore) -> None:
    item = store.list("acme", limit=1, state="completed").items[0]
    assert item == {
        "id": "int_4",
        "at_ns": 1_000_000_004,
        "state": "completed",
        "route": "assistant",
        "target": "simulated",
        "subject": "k1",
        "stream": None,
        "reason": None,
        "http_status": 200,
        "duration_ms": 2.5,
        "attempts": 1,
        "cost_microusd": 7,
        "trace_id": "0" * 32,
        "erased": False,
    }


def test_a_list_is_filtered_by_state_and_route(store: RecordStore) -> None:
    assert [item["id"] for item in store.list("acme", state="running").items] == ["int_5"]
    assert [item["id"] for item in store.list("acme", route="other").items] == ["int_5"]
    assert store.list("acme", state="refused").items == []


def test_one_tenant_never_sees_anothers(store: RecordStore) -> None:
    assert [item["id"] for item in store.list("globex").items] == ["int_6"]
    for tenant, intent_id in (("acme", "int_6"), ("globex", "int_0"), ("nobody", "int_0"), ("acme", ""), ("acme", "%")):
        with pytest.raises(NotFound):
            store.show(tenant, intent_id)


def test_a_record_shows_entries_with_content_and_digests(store: RecordStore) -> None:
    record = store.show("acme", "int_0")
    opened, closed = record.first("opened"), record.first("closed")
    assert opened is not None
    assert closed is not None
    assert (record.state, [entry.kind for entry in record.entries]) == ("completed", ["opened", "closed"])
    assert opened.content == {"request": {"messages": ["from int_0"]}}
    assert closed.matches("released", b"what the caller got")
    assert not closed.matches("released", b"what the caller did not get")
    assert not closed.matches("nothing", b"what the caller got")
    assert orjson.loads(orjson.dumps(record.as_json()))["entries"][1]["facts"]["state"] == "completed"


async def test_facts_that_nobody_knows_are_carried_along(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()
    await writer.append(Entry(tenant="acme", intent_id="i", kind="opened", at_ns=1, facts={"subject": "odd", "new": {"a": [1]}}, content=b"no json"))
    await writer.append(Entry(tenant="acme", intent_id="i", kind="corrected", at_ns=2, facts={"why": "x"}))
    await writer.append(Entry(tenant="acme", intent_id="i", kind="closed", at_ns=3, facts={}))
    await writer.close()
    store = RecordStore(shelf.database)
    record = store.show("acme", "i")
    assert (record.state, record.entries[0].facts["new"], record.entries[0].content) == ("unknown", {"a": [1]}, "no json")
    assert store.list("acme").items[0]["subject"] is None


async def test_a_damaged_entry_can_still_be_looked_at(file_shelf: Shelf) -> None:
    store = await fill(file_shelf)
    file_shelf.run("UPDATE entries SET body = 'text', salt = 'text' WHERE intent_id = 'int_0'")
    file_shelf.run("UPDATE entries SET body = x'ff', content = 5 WHERE intent_id = 'int_1'")
    for intent_id in ("int_0", "int_1"):
        assert store.show("acme", intent_id).entries[0].facts == {"damaged": True}
        assert store.show("acme", intent_id).as_json()["id"] == intent_id
    assert len(store.list("acme").items) == 6


async def test_facts_that_no_database_can_hold_as_text_are_recorded_and_verified(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()
    await writer.append(Shelf.opened("i", facts={"route": "a\0b\udcff"}))
    await writer.append(Shelf.closed("i", facts={"state": "odd\0", "text": "\0\udcff"}))
    await writer.close()
    assert shelf.verify().problems == []
    assert RecordStore(shelf.database).show("acme", "i").entries[1].facts == {"state": "odd\0", "text": "\0?"}


async def waiting(shelf: Shelf) -> RecordStore:
    """Intents that wait, went on, and ended while they waited, in the chains of two processes whose clocks differ."""
    now = 1_700_000_000_000_000_000
    first = [Shelf.opened(name, at_ns=now) for name in ("i1", "i2", "i3")] + [Shelf.held("parked", name, at_ns=now + 1) for name in ("i1", "i2", "i3")]
    second = [
        Shelf.held("decided", "i1", at_ns=now + 5),
        Shelf.held("resumed", "i2", at_ns=now - 9),
        Shelf.closed("i3", at_ns=now + 9, facts={"state": "expired"}),
    ]
    for entries in (first, second):
        writer = shelf.writer()
        await writer.start()
        for entry in entries:
            await writer.move(lambda _: None, entry)
        if not shelf.database.shared or entries is first:
            await writer.close()
    return RecordStore(shelf.database)


async def test_an_intent_that_waits_is_parked_and_one_that_went_on_runs_whatever_the_clocks_say(shelf: Shelf) -> None:
    store = await waiting(shelf)
    states = {"i1": "parked", "i2": "running", "i3": "expired"}
    assert {item["id"]: item["state"] for item in store.list("acme").items} == states
    assert {name: store.show("acme", name).state for name in states} == states
    assert [[item["id"] for item in store.list("acme", state=state).items] for state in ("parked", "running", "expired")] == [["i1"], ["i2"], ["i3"]]
    assert [entry.kind for entry in store.show("acme", "i1").entries] == ["opened", "parked", "decided"]
    assert len({entry.writer for entry in store.show("acme", "i1").entries}) == 2
