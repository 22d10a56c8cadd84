"""A thousand random tamperings with a ledger: verification finds every one, and finds nothing in untouched copies."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.erase import Eraser
from gateway.capabilities.records.export import Export, export_lines, verify_export
from gateway.capabilities.records.verify import living_chains, verify_database
from gateway.capabilities.records.writer import RecordWriter
from gateway.infrastructure.database import Database
from gateway.settings import Secret
from tests.chaos.vandal import DEEDS, KEY, TENANTS, FileCopy, ServerCopy, Vandal

TAMPERINGS = 1_000
SERVER_TAMPERINGS = 160


async def write_intents(database: Database, folder: Path, *, first: int, count: int, leave_open: int = 0) -> None:
    """One process's worth of records, for both tenants."""
    writer = RecordWriter(database, heads=folder / "heads", key=KEY, durability="process", gather_s=0)
    await writer.start()
    for number in range(first, first + count):
        for tenant in TENANTS:
            intent_id = f"int_{number:04d}{tenant}"
            content = f"request {number} of {tenant}".encode()
            opened = Entry(
                tenant=tenant,
                intent_id=intent_id,
                kind="opened",
                at_ns=time.time_ns(),
                facts={"route": f"route-{number % 3}"},
                content=content,
                expires_ns=10**18,
            )
            facts = {"state": ("completed", "refused", "failed")[number % 3]}
            closed = Entry(tenant=tenant, intent_id=intent_id, kind="closed", at_ns=time.time_ns(), facts=facts, digests={"released": content[::-1]})
            done = writer.append(opened, lazy=True)
            if number < first + count - leave_open:
                done = writer.append(closed)
            await done
    await hold_intents(writer, first)
    await writer.close()


async def hold_intents(writer: RecordWriter, first: int) -> None:
    """Two intents that wait for people: one goes on at once, the other is left to the next process, which goes on with that of the one before."""
    for tenant in TENANTS:
        here, left, before = (f"hold_{number:04d}{tenant}" for number in (first, first + 1, first - 5))
        told = [(here, kind) for kind in ("opened", "parked", "decided", "resumed", "closed")] + [(left, kind) for kind in ("opened", "parked", "decided")]
        told += [(before, kind) for kind in ("decided", "resumed", "closed")] if first == 6 else []
        for intent_id, kind in told:
            facts = {"state": "completed"} if kind == "closed" else {"route": "held"} if kind == "opened" else {"task": f"tsk_{intent_id}", "by": "key_1"}
            content = f"{kind} of {intent_id}".encode() if kind != "resumed" else None
            await writer.move(lambda _: None, Entry(tenant=tenant, intent_id=intent_id, kind=kind, at_ns=time.time_ns(), facts=facts, content=content))


async def write_all(address: Path | Secret, now: Path, keep_old: Callable[[], object]) -> Database:
    """A ledger by three processes and one erasing command; ``keep_old`` backs it up before the third."""
    database = Database(address, durability="process")
    database.prepare()
    await write_intents(database, now, first=0, count=6)
    await write_intents(database, now, first=6, count=5, leave_open=1)
    database.wipe_freed()
    keep_old()
    await write_intents(database, now, first=11, count=6)
    for tenant in TENANTS:
        Eraser(database, heads=now / "heads", key=KEY, durability="process").intent(tenant, f"int_0003{tenant}")
    database.wipe_freed()
    return database


@pytest.fixture
async def ledger(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of a ledger in a file, and of an old backup of it."""
    now, old = tmp_path / "now", tmp_path / "old"
    await write_all(now / "gateway.db", now, lambda: shutil.copytree(now, old))
    return now, old


def problems(folder: Path, database: Database | None = None) -> list[str]:
    found = []
    database = database or Database(folder / "gateway.db")
    for tenant in TENANTS:
        report = verify_database(database, folder / "heads", tenant, KEY.verify_key)
        found += [problem.what for problem in report.problems]
    return found


def test_every_one_of_a_thousand_random_tamperings_is_found(ledger: tuple[Path, Path], tmp_path: Path) -> None:
    pristine, backup = ledger
    missed, copy = [], tmp_path / "copy"
    database = Database(copy / "gateway.db")
    for seed in range(TAMPERINGS):
        shutil.copytree(pristine, copy)
        damaged = FileCopy(copy, backup)
        deed = DEEDS[seed % len(DEEDS)]
        deed(Vandal(seed, copy, damaged))
        damaged.close()
        if not problems(copy, database):
            missed.append(f"{seed}: {deed.__name__}")
        shutil.rmtree(copy)
    assert missed == []


@pytest.mark.services
async def test_every_one_of_the_random_tamperings_on_a_server_is_found(empty_postgres: Secret, tmp_path: Path) -> None:
    now, copy = tmp_path / "now", tmp_path / "copy"
    server = ServerCopy(empty_postgres.text())
    Database(empty_postgres).prepare()
    server.number_rows()
    database = await write_all(empty_postgres, now, lambda: server.keep("old"))
    server.keep("good")
    assert problems(now, database) == []
    missed = []
    for seed in range(SERVER_TAMPERINGS):
        shutil.copytree(now / "heads", copy / "heads")
        deed = DEEDS[seed % len(DEEDS)]
        deed(Vandal(seed, copy, server))
        if not problems(copy, database):
            missed.append(f"{seed}: {deed.__name__}")
        server.put_back("good")
        shutil.rmtree(copy)
    assert missed == []
    assert problems(now, database) == []
    server.close()
    database.release()


def test_untouched_copies_raise_no_alarm(ledger: tuple[Path, Path], tmp_path: Path) -> None:
    for number, folder in enumerate(ledger):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(folder, copy)
        assert problems(copy) == []


def test_every_tampering_with_a_line_of_an_export_is_found(ledger: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = ledger
    with living_chains(Database(folder / "gateway.db"), folder / "heads", "acme") as (snapshot, heads):
        lines = list(export_lines(snapshot, heads, KEY.verify_key, at_ns=1))
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(lines))
    assert verify_export(Export.open(path), KEY.verify_key).clean
    first = next(number for number, line in enumerate(lines) if b'"type":"entry"' in line)
    missed = []
    for number in range(first, len(lines)):
        for name, tampered in (
            ("cut", lines[:number]),
            ("deleted", lines[:number] + lines[number + 1 :]),
            ("doubled", [*lines[: number + 1], *lines[number:]]),
        ):
            path.write_bytes(b"".join(tampered))
            if verify_export(Export.open(path), KEY.verify_key).clean:
                missed.append((name, number))
    assert missed == []
