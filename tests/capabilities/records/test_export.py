from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
import pytest

from gateway.capabilities.records.erase import Eraser
from gateway.capabilities.records.export import Export, ExportError, export_lines, verify_export
from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.records.store import RecordStore
from gateway.capabilities.records.verify import living_chains
from tests.capabilities.records.conftest import KEY, Shelf


@pytest.fixture
async def written(shelf: Shelf) -> Shelf:
    return await fill(shelf)


async def fill(shelf: Shelf) -> Shelf:
    for begin in (0, 10):
        await asyncio.sleep(0.002)
        writer = shelf.writer()
        await writer.start()
        for number in range(begin, begin + 5):
            writer.append(Shelf.opened(f"i{number}", content=b"\xff\x00" if number == 3 else None), lazy=True)
            await writer.append(Shelf.closed(f"i{number}"))
        await writer.close()
    Eraser(shelf.database, heads=shelf.heads, key=shelf.key).intent("acme", "i11")
    return shelf


def exported(shelf: Shelf, path: Path, since_ns: int | None = None, tenant: str = "acme") -> Export:
    with living_chains(shelf.database, shelf.heads, tenant) as (snapshot, heads):
        path.write_bytes(b"".join(export_lines(snapshot, heads, KEY.verify_key, at_ns=time.time_ns(), since_ns=since_ns)))
    return Export.open(path)


def test_an_export_is_verified_without_database_or_config(written: Shelf, tmp_path: Path) -> None:
    export = exported(written, tmp_path / "e.jsonl")
    report = verify_export(export, KEY.verify_key)
    assert (report.problems, report.entries, report.chains, report.erased, report.tenant) == ([], 24, 3, 1, "acme")
    assert verify_export(export, None).clean


def test_every_row_comes_back_as_it_is_stored(written: Shelf, tmp_path: Path) -> None:
    export = exported(written, tmp_path / "e.jsonl")
    with living_chains(written.database, written.heads, "acme") as (snapshot, _):
        assert list(export.rows()) == list(snapshot.rows())


async def test_a_damaged_file_exports_its_damage(file_shelf: Shelf, tmp_path: Path) -> None:
    await fill(file_shelf)
    file_shelf.run("UPDATE entries SET body = 'text', state = CAST(x'ff' AS TEXT) WHERE intent_id = 'i2'")
    report = verify_export(exported(file_shelf, tmp_path / "e.jsonl"), KEY.verify_key)
    assert any("column body holds a str" in problem.what for problem in report.problems)


@pytest.mark.parametrize(("intent_id", "entries"), [("i0", 23), ("i2", 19), ("i10", 12), ("i13", 6)])
def test_a_part_is_verified_from_where_it_begins(written: Shelf, tmp_path: Path, intent_id: str, entries: int) -> None:
    since_ns = RecordStore(written.database).show("acme", intent_id).entries[0].at_ns
    report = verify_export(exported(written, tmp_path / "e.jsonl", since_ns), KEY.verify_key)
    assert report.problems == []
    assert report.entries - entries in {0, 1}  # an intent can begin just before the chain that its entries begin


def test_a_part_from_the_future_is_empty_and_clean(written: Shelf, tmp_path: Path) -> None:
    report = verify_export(exported(written, tmp_path / "e.jsonl", 10**19), KEY.verify_key)
    assert (report.problems, report.entries) == ([], 0)


def test_another_key_verifies_nothing(written: Shelf, tmp_path: Path) -> None:
    report = verify_export(exported(written, tmp_path / "e.jsonl"), SigningKey(bytes(32)).verify_key)
    assert len([problem for problem in report.problems if "another key" in problem.what]) == 3


def test_an_edited_line_is_found(written: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    exported(written, path)
    lines = path.read_bytes().splitlines(keepends=True)
    number = next(number for number, line in enumerate(lines) if orjson.loads(line).get("intent_id") == "i12")
    fields = orjson.loads(lines[number])
    fields["salt"] = {"hex": "00" * 16}
    lines[number] = orjson.dumps(fields) + b"\n"
    path.write_bytes(b"".join(lines))
    assert not verify_export(Export.open(path), KEY.verify_key).clean


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an export"),
        (b'{"type":"entry"}\n', "not an export"),
        (b"nonsense\n", ":1: not a line of JSON"),
        (b"[]\n", "not a JSON object"),
        (b'{"type":"export","format":"gateway.records/v9"}\n', "not an export"),
        (b'{"type":"export","format":"gateway.records/v1"}\n', "a line is not as an export's"),
        (b'{"type":"export","format":"gateway.records/v1","public_key":"x","tenant":"acme","since_ns":null}\n', "32 bytes in base64"),
    ],
)
def test_what_is_no_export_is_refused_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=message):
        Export.open(path)


def test_an_export_that_was_cut_short_is_found(written: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    exported(written, path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))
    assert any("says it has None" in problem.what for problem in verify_export(Export.open(path), KEY.verify_key).problems)


async def test_intents_that_waited_are_exported_and_a_part_accuses_nobody(shelf: Shelf, tmp_path: Path) -> None:
    now = time.time_ns() + 10**12  # after the beginnings of the chains
    kinds = ["opened", "parked", "decided", "resumed", "closed"]
    made = [
        Shelf.opened("i1", at_ns=now),
        *(Shelf.held(kind, "i1", at_ns=now + at) for at, kind in enumerate(kinds[1:4], 1)),
        Shelf.closed("i1", at_ns=now + 4),
        Shelf.opened("i2", at_ns=now + 5),
        Shelf.held("parked", "i2", at_ns=now + 6),
    ]
    for part in (made[:2], made[2:]):
        await asyncio.sleep(0.002)
        writer = shelf.writer()
        await writer.start()
        for entry in part:
            await writer.move(lambda _: None, entry)
        await writer.close()
    whole = verify_export(exported(shelf, tmp_path / "e.jsonl"), KEY.verify_key)
    assert (whole.problems, whole.entries, whole.open, whole.parked) == ([], 9, 0, 1)
    for at in range(8):
        report = verify_export(exported(shelf, tmp_path / "e.jsonl", now + at), KEY.verify_key)
        assert (report.problems, report.open, report.parked) == ([], 0, 0 if at > 6 else 1)
