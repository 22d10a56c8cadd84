"""Somebody who damages a ledger at random, and the copies that he does it to."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg

from gateway.capabilities.records.chain import NO_LINK, link_hash
from gateway.capabilities.records.heads import Head, read_head, sign_head
from gateway.capabilities.records.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
TENANTS = ("acme", "globex")
HELD_KINDS = ("parked", "decided", "resumed")
_TABLES = ("entries", "open_intents")


class Copy(Protocol):
    """A copy of a ledger, with an old backup of it."""

    def execute(self, sql: str, *values: object) -> Any:
        """A cursor; the parameters are written as ``?``."""

    def takes(self, sql: str, *values: object) -> bool:
        """Whether the database lets such a value stand there."""

    def old(self, sql: str, *values: object) -> Any:
        """One row of the backup."""

    def restore_old(self) -> None:
        """Put the backup in the place of the copy."""


class FileCopy:
    """A file of SQLite, which takes anything anywhere."""

    def __init__(self, folder: Path, backup: Path) -> None:
        self._file, self._backup = folder / "gateway.db", backup / "gateway.db"
        self._connection = sqlite3.connect(self._file, isolation_level=None)

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def takes(self, sql: str, *values: object) -> bool:
        return self.execute(sql.replace("UPDATE", "UPDATE OR REPLACE"), *values).rowcount > 0

    def old(self, sql: str, *values: object) -> Any:
        with closing(sqlite3.connect(self._backup)) as backup:
            return backup.execute(sql, values).fetchone()

    def restore_old(self) -> None:
        self.close()
        shutil.copy(self._backup, self._file)

    def close(self) -> None:
        self._connection.close()


class ServerCopy:
    """A database of PostgreSQL. What is to be kept stands in schemas beside the ledger: ``good`` and ``old``."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def execute(self, sql: str, *values: object) -> psycopg.Cursor[Any]:
        return self._connection.execute(sql.replace("?", "%s").encode(), values or None)

    def takes(self, sql: str, *values: object) -> bool:
        try:
            return self.execute(sql, *values).rowcount > 0
        except psycopg.Error:
            return False

    def old(self, sql: str, *values: object) -> Any:
        return self.execute(sql.replace("FROM entries", "FROM old.entries"), *values).fetchone()

    def restore_old(self) -> None:
        self.put_back("old")

    def number_rows(self) -> None:
        """Give rows the number that SQLite has of itself."""
        self.execute("ALTER TABLE entries ADD COLUMN rowid bigserial")

    def keep(self, schema: str) -> None:
        self.execute(f"CREATE SCHEMA {schema}")
        for table in _TABLES:
            self.execute(f"CREATE TABLE {schema}.{table} AS SELECT * FROM {table}")

    def put_back(self, schema: str) -> None:
        for table in _TABLES:
            self.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {schema}.{table}")

    def close(self) -> None:
        self._connection.close()


class Vandal:
    """Damages a copy of the ledger at random, always changing something."""

    def __init__(self, seed: int, folder: Path, copy: Copy) -> None:
        self.random = random.Random(seed)
        self.folder, self.database = folder, copy
        self.rows = self.database.execute("SELECT rowid, tenant, writer, seq, kind, salt IS NOT NULL, content IS NOT NULL FROM entries").fetchall()

    def run(self, sql: str, *values: object) -> None:
        assert self.database.execute(sql, *values).rowcount > 0, sql

    def edit_a_column(self) -> None:
        row = self.random.choice(self.rows)[0]
        column = self.random.choice(("tenant", "writer", "seq", "intent_id", "kind", "state", "route", "body", "hash", "salt", "content", "expires_ns"))
        (before,) = self.database.execute(f"SELECT {column} FROM entries WHERE rowid = ?", row).fetchone()
        while not self.database.takes(f"UPDATE entries SET {column} = ? WHERE rowid = ?", self.changed(before), row):
            pass

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
        values = [self.database.execute(f"SELECT {', '.join(columns)} FROM entries WHERE rowid = ?", row[0]).fetchone() for row in (other, one)]
        for row, new in zip((one, other), values, strict=True):
            self.run(f"UPDATE entries SET {', '.join(f'{column} = ?' for column in columns)} WHERE rowid = ?", *new, row[0])

    def drop_content(self) -> None:
        row = self.random.choice([row for row in self.rows if row[5]])
        self.run(f"UPDATE entries SET {self.random.choice(('salt = NULL, content = NULL', 'salt = NULL'))} WHERE rowid = ?", row[0])

    def bring_back_erased_content(self) -> None:
        tenant = self.random.choice(TENANTS)
        salt, content, seq, writer = self.database.old(
            "SELECT salt, content, seq, writer FROM entries WHERE intent_id = ? AND kind = 'opened'", f"int_0003{tenant}"
        )
        self.run("UPDATE entries SET salt = ?, content = ? WHERE tenant = ? AND writer = ? AND seq = ?", salt, content, tenant, writer, seq)

    def rewrite_a_chain_from_here(self) -> None:
        """Edit a body and recompute every hash after it, as somebody would who knows the format but not the key."""
        rowid, tenant, writer, *_ = self.random.choice([row for row in self.rows if row[4] != "genesis"])
        (body,) = self.database.execute("SELECT body FROM entries WHERE rowid = ?", rowid).fetchone()
        self.run("UPDATE entries SET body = ? WHERE rowid = ?", body.replace(b'"at_ns":1', b'"at_ns":2', 1), rowid)
        link = NO_LINK.hash
        for each, raw in self.database.execute("SELECT rowid, body FROM entries WHERE tenant = ? AND writer = ? ORDER BY seq", tenant, writer).fetchall():
            link = link_hash(link, raw)
            self.run("UPDATE entries SET hash = ? WHERE rowid = ?", link, each)

    def restore_the_old_backup(self) -> None:
        self.database.restore_old()

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

    def drop_a_decision(self) -> None:
        self.run("DELETE FROM entries WHERE rowid = ?", self.random.choice([row for row in self.rows if row[4] in HELD_KINDS])[0])

    def turn_a_decision(self) -> None:
        """Somebody else has decided, or another approval was used: the body alone, or with its own hash after the one before."""
        rowid, tenant, writer, seq, *_ = self.random.choice([row for row in self.rows if row[4] in HELD_KINDS])
        (body,) = self.database.execute("SELECT body FROM entries WHERE rowid = ?", rowid).fetchone()
        self.run("UPDATE entries SET body = ? WHERE rowid = ?", body.replace(b'"by":"key_1"', b'"by":"key_2"', 1), rowid)
        if self.random.random() < 0.5:
            (before,) = self.database.execute("SELECT hash FROM entries WHERE tenant = ? AND writer = ? AND seq = ?", tenant, writer, seq - 1).fetchone()
            self.run("UPDATE entries SET hash = ? WHERE rowid = ?", link_hash(before, body.replace(b'"by":"key_1"', b'"by":"key_2"', 1)), rowid)

    def take_another_kind(self) -> None:
        row = self.random.choice([row for row in self.rows if row[4] in HELD_KINDS])
        kind = self.random.choice([kind for kind in (*HELD_KINDS, "opened", "closed", "corrected") if kind != row[4]])
        self.run("UPDATE entries SET kind = ? WHERE rowid = ?", kind, row[0])


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
    Vandal.drop_a_decision,
    *[Vandal.turn_a_decision] * 2,
    Vandal.take_another_kind,
    Vandal.swap_heads,
    Vandal.hide_an_open_intent,
]
