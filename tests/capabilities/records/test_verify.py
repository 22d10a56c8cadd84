from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.erase import Eraser
from gateway.capabilities.records.heads import file_name
from gateway.infrastructure.database_ledger import Ledger
from tests.capabilities.records.conftest import Shelf
from tests.servers.postgres_fixtures import Outage


@pytest.fixture
async def written(shelf: Shelf) -> Shelf:
    return await fill(shelf)


async def fill(shelf: Shelf) -> Shelf:
    writer = shelf.writer()
    await writer.start()
    for number in range(4):
        writer.append(Shelf.opened(f"i{number}"), lazy=True)
        await writer.append(Shelf.closed(f"i{number}"))
    await writer.close()
    return shelf


def damage(shelf: Shelf, sql: str) -> list[tuple[int | None, str, str]]:
    assert shelf.run(sql) > 0
    return [(problem.seq, problem.intent_id, problem.what) for problem in shelf.verify().problems]


def test_a_ledger_as_it_was_written_is_clean(written: Shelf) -> None:
    report = written.verify()
    assert (report.problems, report.entries, report.chains, report.erased, report.open, report.unsigned) == ([], 9, 1, 0, 0, 0)


def test_a_tenant_without_records_is_clean(shelf: Shelf) -> None:
    assert shelf.verify("nobody").clean


def test_a_problem_names_entry_and_intent(written: Shelf) -> None:
    (found,) = damage(written, "UPDATE entries SET route = 'x' WHERE intent_id = 'i1' AND kind = 'opened'")
    assert found == (3, "i1", "column route differs from the hashed body")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DELETE FROM entries WHERE seq = 4", "entries 4 to 4 are missing"),
        ("DELETE FROM entries WHERE seq >= 5", "a tail or a chain was cut, or an old backup restored"),
        ("DELETE FROM entries", "the chain is gone"),
        ("UPDATE entries SET hash = x'" + "00" * 32 + "' WHERE seq = 2", "the hash does not follow"),
        ("DELETE FROM entries WHERE seq = 0", "does not begin with its `genesis` entry"),
        ("UPDATE entries SET content = x'00' WHERE seq = 1", "content or salt is not what was digested"),
        ("UPDATE entries SET salt = NULL, content = NULL WHERE seq = 1", "no `erased` entry accounts for it"),
        ("UPDATE entries SET writer = 'w0'", "the chain has no head file"),
        ("UPDATE entries SET body = x'ff' WHERE seq = 3", "the body is not that of an entry"),
        ("INSERT INTO open_intents VALUES ('acme', 'i1', 'w')", "noted as open, but it is closed"),
    ],
)
def test_each_kind_of_damage_is_called_by_its_name(written: Shelf, sql: str, expected: str) -> None:
    assert any(expected in what for _, _, what in damage(written, sql))


@pytest.fixture
async def held(shelf: Shelf) -> Shelf:
    """Intents that waited for people, in the chains of two processes."""
    for process in range(2):
        writer = shelf.writer()
        await writer.start()
        for intent_id, first, second in (("waits", "op", "d"), ("ended", "op", "drc"), ("refused", "op", "c"), ("here", "opdrpdrc", ""), ("plain", "oc", "")):
            for letter in (first, second)[process]:
                await writer.move(lambda _: None, entry(letter, intent_id))
        await writer.close()
    return shelf


def entry(letter: str, intent_id: str) -> Entry:
    kinds = {"p": "parked", "d": "decided", "r": "resumed"}
    return Shelf.opened(intent_id) if letter == "o" else Shelf.closed(intent_id) if letter == "c" else Shelf.held(kinds[letter], intent_id)


def test_intents_that_waited_in_the_chains_of_several_processes_are_clean(held: Shelf) -> None:
    report = held.verify()
    assert (report.problems, report.chains, report.open, report.parked, report.unsigned) == ([], 2, 0, 1, 0)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DELETE FROM entries WHERE intent_id = 'here' AND kind = 'resumed'", "no intent can take the course that its entries tell"),
        ("DELETE FROM entries WHERE intent_id = 'ended' AND kind = 'parked'", "no intent can take the course that its entries tell"),
        ("DELETE FROM entries WHERE intent_id = 'waits' AND kind = 'decided'", "are missing"),
        ("UPDATE entries SET kind = 'resumed' WHERE intent_id = 'waits' AND kind = 'decided'", "column kind differs from the hashed body"),
        ("UPDATE entries SET kind = 'decided' WHERE intent_id = 'here' AND kind = 'resumed'", "no intent can take the course that its entries tell"),
        ("UPDATE entries SET intent_id = 'plain' WHERE intent_id = 'waits' AND kind = 'decided'", "no intent can take the course that its entries tell: w_"),
        ("UPDATE entries SET content = NULL WHERE kind = 'decided'", "content or salt is not what was digested"),
        ("UPDATE entries SET state = 'completed' WHERE kind = 'parked'", "column state differs from the hashed body"),
        ("UPDATE entries SET body = replace(CAST(body AS TEXT), 'accept', 'refuse') WHERE kind = 'decided'", "decided"),
        ("INSERT INTO open_intents VALUES ('acme', 'waits', 'w')", "noted as open, but it is closed, waits"),
    ],
)
def test_tampering_with_what_people_decided_is_called_by_its_name(held: Shelf, sql: str, expected: str) -> None:
    if "replace(" in sql:
        with Ledger(held.database).snapshot("acme") as snapshot:
            body = next(row.body for row in snapshot.rows() if row.kind == "decided")
        assert held.run("UPDATE entries SET body = ? WHERE body = ?", body.replace(b'"accept"', b'"refuse"'), body) == 1
        sql, expected = "UPDATE entries SET seq = seq WHERE seq = 0", "the hash does not follow"
    assert any(expected in what for _, _, what in damage(held, sql))


async def test_a_running_intent_that_was_resumed_has_to_be_noted_as_open(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()
    for letter in "opr":
        await writer.move(lambda _: None, entry(letter, "i1"))
    assert (shelf.verify().problems, shelf.verify().open) == ([], 1)
    found = damage(shelf, "DELETE FROM open_intents")
    assert [(intent_id, what) for _, intent_id, what in found] == [("i1", "opened, never closed, and not noted as open")]
    await writer.close()


async def test_text_where_bytes_belong_is_called_by_its_name(file_shelf: Shelf) -> None:
    await fill(file_shelf)
    assert any("column body holds a str" in what for _, _, what in damage(file_shelf, "UPDATE entries SET body = 'text' WHERE seq = 3"))


def test_one_damaged_entry_does_not_accuse_the_others(written: Shelf) -> None:
    with Ledger(written.database).snapshot("acme") as snapshot:
        body = next(row.body for row in snapshot.rows() if row.seq == 3)
    assert written.run("UPDATE entries SET body = ? WHERE seq = 3", body.replace(b"simulated", b"stimulated")) == 1
    assert {problem.seq for problem in written.verify().problems} == {3}


async def test_a_chain_that_vanished_with_its_head_is_missed_by_the_next_one(written: Shelf) -> None:
    later = written.writer()
    await later.start()
    await later.append(Shelf.opened("later"))
    await later.close()
    (head,) = [path for path in written.heads.iterdir() if path.name != file_name("acme", later.writer)]
    head.unlink()
    found = damage(written, f"DELETE FROM entries WHERE writer != '{later.writer}'")
    assert any(f"the beginning of chain {later.writer} knows of entry 8" in what for _, _, what in found)


def test_heads_of_another_key_are_not_trusted(written: Shelf) -> None:
    for path in written.heads.iterdir():
        path.write_bytes(path.read_bytes().replace(written.key.verify_key.id.encode(), b"0123456789abcdef"))
    assert ["another key" in problem.what for problem in written.verify().problems] == [True]


async def test_a_file_that_cannot_be_read_is_a_problem(file_shelf: Shelf) -> None:
    await fill(file_shelf)
    file_shelf.database.wipe_freed()
    raw = bytearray(file_shelf.file.read_bytes())
    raw[4096:] = b"\x5a" * (len(raw) - 4096)
    file_shelf.file.write_bytes(raw)
    assert "cannot be read to its end" in file_shelf.verify().problems[0].what


def test_a_database_that_is_not_there_is_a_problem(written: Shelf, outage: Outage) -> None:
    with outage():
        assert "cannot be read to its end" in written.verify().problems[0].what


async def test_verifying_beside_a_busy_server_raises_no_alarm(shelf: Shelf) -> None:
    writer = shelf.writer()
    await writer.start()
    stop = threading.Event()
    found: list[str] = []

    def watch() -> None:
        while not stop.is_set():
            found.extend(problem.what for problem in shelf.verify().problems)

    watching = asyncio.create_task(asyncio.to_thread(watch))
    for number in range(150):
        writer.append(Shelf.opened(f"i{number:03d}"), lazy=True)
        await asyncio.sleep(0)
        await writer.append(Shelf.closed(f"i{number:03d}"))
        if number % 30 == 0:
            await asyncio.to_thread(Eraser(shelf.database, heads=shelf.heads, key=shelf.key).intent, "acme", f"i{number:03d}")
    stop.set()
    await watching
    await writer.close()
    assert found == []
    assert shelf.verify().clean
