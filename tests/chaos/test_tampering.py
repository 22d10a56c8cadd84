"""A thousand random tamperings with a ledger: verification finds every one, and finds nothing in untouched copies."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.capabilities.records.chain import NO_LINK, link_hash
from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.erase import Eraser
from gateway.capabilities.records.export import Export, export_lines, verify_export
from gateway.capabilities.records.heads import Head, read_head, sign_head
from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.records.verify import living_chains, verify_database
from gateway.capabilities.records.writer import RecordWriter
from gateway.infrastructure.database import Database

KEY = SigningKey(bytes(range(32)))
TENANTS = ("acme", "globex")
TAMPERINGS = 1_000


async def write_intents(folder: Path, *, first: int, count: int, leave_open: int = 0) -> None:
    """One process's worth of records, for both tenants."""
    writer = RecordWriter(Database(folder / "gateway.db", durability="process"), heads=folder / "heads", key=KEY, durability="process", gather_s=0)
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
    await writer.close()


@pytest.fixture
async def ledger(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of a ledger by three processes and one erasing command, and of an old backup of it."""
    now, old = tmp_path / "now", tmp_path / "old"
    Database(now / "gateway.db").prepare()
    await write_intents(now, first=0, count=6)
    await write_intents(now, first=6, count=5, leave_open=1)
    Database(now / "gateway.db").wipe_freed()
    shutil.copytree(now, old)
    await write_intents(now, first=11, count=6)
    for tenant in TENANTS:
        Eraser(Database(now / "gateway.db", durability="process"), heads=now / "heads", key=KEY, durability="process").intent(tenant, f"int_0003{tenant}")
    Database(now / "gateway.db").wipe_freed()
    return now, old


def problems(folder: Path, database: Database | None = None) -> list[str]:
    found = []
    database = database or Database(folder / "gateway.db")
    for tenant in TENANTS:
        report = verify_database(database, folder / "heads", tenant, KEY.verify_key)
        found += [problem.what for problem in report.problems]
    return found


class Vandal:
    """Damages a copy of the ledger at random, always changing something."""

    def __init__(self, seed: int, folder: Path, backup: Path) -> None:
        self.random = random.Random(seed)
        self.folder, self.backup = folder, backup
        self.database = sqlite3.connect(folder / "gateway.db", isolation_level=None)
        self.rows = self.database.execute("SELECT rowid, tenant, writer, seq, kind, salt IS NOT NULL, content IS NOT NULL FROM entries").fetchall()

    def run(self, sql: str, *values: object) -> None:
        assert self.database.execute(sql, values).rowcount > 0, sql

    def edit_a_column(self) -> None:
        row = self.random.choice(self.rows)[0]
        column = self.random.choice(("tenant", "writer", "seq", "intent_id", "kind", "state", "route", "body", "hash", "salt", "content", "expires_ns"))
        (before,) = self.database.execute(f"SELECT {column} FROM entries WHERE rowid = ?", (row,)).fetchone()
        self.run(f"UPDATE OR REPLACE entries SET {column} = ? WHERE rowid = ?", self.changed(before), row)

    def changed(self, value: object) -> object:
        if isinstance(value, bytes):
            place = self.random.randrange(len(value))
            flipped = value[:place] + bytes([value[place] ^ (1 << self.random.randrange(8))]) + value[place + 1 :]
            return self.random.choice((flipped, value[:-1], value + b" ", b"", flipped.decode("latin-1")))
        if isinstance(value, int):
            return self.random.choice((value + 1, value + 1_000_000, str(value) + "x"))
        if isinstance(value, str):
            return self.random.choice((value + "x", value[:-1] or "y", value.upper() + "_", b"bytes"))
        return self.random.choice(("text", 7, b"bytes"))

    def delete_an_entry(self) -> None:
        self.run("DELETE FROM entries WHERE rowid = ?", self.random.choice(self.rows)[0])

    def delete_an_intent(self) -> None:
        (intent_id,) = self.random.choice(self.database.execute("SELECT DISTINCT intent_id FROM entries WHERE intent_id != ''").fetchall())
        self.run("DELETE FROM entries WHERE intent_id = ?", intent_id)

    def reorder(self) -> None:
        _, tenant, writer, *_ = self.random.choice(self.rows)
        one, other = self.random.sample([row for row in self.rows if row[1:3] == (tenant, writer)], 2)
        self.run("UPDATE entries SET seq = -1 WHERE rowid = ?", one[0])
        self.run("UPDATE entries SET seq = ? WHERE rowid = ?", one[3], other[0])
        self.run("UPDATE entries SET seq = ? WHERE rowid = ?", other[3], one[0])

    def cut_a_tail(self) -> None:
        _, tenant, writer, *_ = self.random.choice(self.rows)
        length = max(row[3] for row in self.rows if row[1:3] == (tenant, writer)) + 1
        self.run("DELETE FROM entries WHERE tenant = ? AND writer = ? AND seq >= ?", tenant, writer, self.random.randrange(length))

    def remove_a_chain(self) -> None:
        """With its head too, where a later chain has to know of it: all but each tenant's newest."""
        _, tenant, writer, *_ = self.random.choice(self.rows)
        if writer != max(row[2] for row in self.rows if row[1] == tenant):
            next(self.folder.glob(f"heads/{tenant}.{writer}.head")).unlink()
        self.run("DELETE FROM entries WHERE tenant = ? AND writer = ?", tenant, writer)

    def swap_tenants(self) -> None:
        _, _, writer, *_ = self.random.choice([row for row in self.rows if len({other[1] for other in self.rows if other[2] == row[2]}) == 2])
        which, values = ("AND writer = ?", (writer,)) if self.random.random() < 0.7 else ("", ())
        self.run(f"UPDATE entries SET tenant = 'x' WHERE tenant = 'acme' {which}", *values)
        self.run(f"UPDATE entries SET tenant = 'acme' WHERE tenant = 'globex' {which}", *values)
        self.run(f"UPDATE entries SET tenant = 'globex' WHERE tenant = 'x' {which}", *values)
        if self.random.random() < 0.5:
            one, other = (self.folder / "heads" / f"{tenant}.{writer}.head" for tenant in TENANTS)
            self.exchange(one, other)

    @staticmethod
    def exchange(one: Path, other: Path) -> None:
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)

    def swap_contents(self) -> None:
        one, other = self.random.sample([row for row in self.rows if row[6]], 2)
        columns = self.random.choice((("content",), ("salt",), ("content", "salt")))
        values = [self.database.execute(f"SELECT {', '.join(columns)} FROM entries WHERE rowid = ?", (row[0],)).fetchone() for row in (other, one)]
        for row, new in zip((one, other), values, strict=True):
            self.run(f"UPDATE entries SET {', '.join(f'{column} = ?' for column in columns)} WHERE rowid = ?", *new, row[0])

    def drop_content(self) -> None:
        row = self.random.choice([row for row in self.rows if row[5]])
        self.run(f"UPDATE entries SET {self.random.choice(('salt = NULL, content = NULL', 'salt = NULL'))} WHERE rowid = ?", row[0])

    def bring_back_erased_content(self) -> None:
        with closing(sqlite3.connect(self.backup / "gateway.db")) as backup:
            tenant = self.random.choice(TENANTS)
            salt, content, seq, writer = backup.execute(
                "SELECT salt, content, seq, writer FROM entries WHERE intent_id = ? AND kind = 'opened'", (f"int_0003{tenant}",)
            ).fetchone()
        self.run("UPDATE entries SET salt = ?, content = ? WHERE tenant = ? AND writer = ? AND seq = ?", salt, content, tenant, writer, seq)

    def rewrite_a_chain_from_here(self) -> None:
        """Edit a body and recompute every hash after it, as somebody would who knows the format but not the key."""
        rowid, tenant, writer, *_ = self.random.choice([row for row in self.rows if row[4] != "genesis"])
        (body,) = self.database.execute("SELECT body FROM entries WHERE rowid = ?", (rowid,)).fetchone()
        self.run("UPDATE entries SET body = ? WHERE rowid = ?", body.replace(b'"at_ns":1', b'"at_ns":2', 1), rowid)
        link = NO_LINK.hash
        for each, raw in self.database.execute("SELECT rowid, body FROM entries WHERE tenant = ? AND writer = ? ORDER BY seq", (tenant, writer)).fetchall():
            link = link_hash(link, raw)
            self.run("UPDATE entries SET hash = ? WHERE rowid = ?", link, each)

    def restore_the_old_backup(self) -> None:
        self.database.close()
        shutil.copy(self.backup / "gateway.db", self.folder / "gateway.db")

    def any_head(self) -> Path:
        return self.random.choice(sorted(self.folder.glob("heads/*.head")))

    def edit_a_head(self) -> None:
        path = self.any_head()
        content = path.read_bytes()
        path.write_bytes(self.flip(content))

    def flip(self, content: bytes) -> bytes:
        place = self.random.randrange(len(content))
        return content[:place] + bytes([content[place] ^ (1 << self.random.randrange(8))]) + content[place + 1 :]

    def remove_a_head(self) -> None:
        self.any_head().unlink()

    def empty_a_head(self) -> None:
        path = self.any_head()
        path.write_bytes(path.read_bytes()[: self.random.choice((0, 511, 512, 1023))])

    def repeat_a_slot(self) -> None:
        path = self.any_head()
        content = path.read_bytes()
        path.write_bytes(content[:512] * 2 if self.random.random() < 0.5 else content[512:] * 2)

    def forge_a_head(self) -> None:
        path = self.any_head()
        head = read_head(path.read_bytes(), KEY.verify_key)
        other = SigningKey(self.random.randbytes(32))
        slots = [sign_head(Head(tenant=head.tenant, writer=head.writer, n=n, link=head.link), other) for n in (0, -1)]
        path.write_bytes(b"".join(slots))

    def swap_heads(self) -> None:
        self.exchange(*self.random.sample(sorted(self.folder.glob("heads/*.head")), 2))

    def hide_an_open_intent(self) -> None:
        self.run("DELETE FROM entries WHERE kind = 'closed' AND intent_id = ?", f"int_{self.random.randrange(17):04d}{self.random.choice(TENANTS)}")


DEEDS: list[Callable[[Vandal], None]] = [
    *[Vandal.edit_a_column] * 8,
    Vandal.delete_an_entry,
    Vandal.delete_an_intent,
    *[Vandal.reorder] * 2,
    *[Vandal.cut_a_tail] * 2,
    Vandal.remove_a_chain,
    *[Vandal.swap_tenants] * 2,
    *[Vandal.swap_contents] * 2,
    Vandal.drop_content,
    Vandal.bring_back_erased_content,
    *[Vandal.rewrite_a_chain_from_here] * 2,
    Vandal.restore_the_old_backup,
    *[Vandal.edit_a_head] * 2,
    Vandal.remove_a_head,
    Vandal.empty_a_head,
    Vandal.repeat_a_slot,
    Vandal.forge_a_head,
    Vandal.swap_heads,
    Vandal.hide_an_open_intent,
]


def test_every_one_of_a_thousand_random_tamperings_is_found(ledger: tuple[Path, Path], tmp_path: Path) -> None:
    pristine, backup = ledger
    missed, copy = [], tmp_path / "copy"
    database = Database(copy / "gateway.db")
    for seed in range(TAMPERINGS):
        shutil.copytree(pristine, copy)
        vandal = Vandal(seed, copy, backup)
        deed = DEEDS[seed % len(DEEDS)]
        deed(vandal)
        vandal.database.close()
        if not problems(copy, database):
            missed.append(f"{seed}: {deed.__name__}")
        shutil.rmtree(copy)
    assert missed == []


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
