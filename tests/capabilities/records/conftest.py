"""A ledger in a folder of its own, with what tests do to it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.records.verify import Report, verify_database
from gateway.capabilities.records.writer import RecordWriter
from gateway.domain import State
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_intents import IntentRow, insert_intent, intent_of
from gateway.infrastructure.database_ledger import Ledger
from gateway.settings import Secret

KEY = SigningKey(bytes(range(32)))
_TERMS = {"queue": "approvals", "mode": "approve", "hook": "intent", "due_ns": 10**18, "expires_ns": 2 * 10**18, "on_expiry": "refuse", "min_approvers": 1}
FACTS: dict[str, dict[str, Any]] = {
    "parked": {**_TERMS, "reasons": [{"rule": "payments.person", "message": "a person has to agree"}], "attempts": [], "decisions": [], "steps": []},
    "decided": {"by": "key_2", "name": "Ann Smith", "roles": ["reviewer"], "action": "accept", "approval": "apr_1", "scope_sha256": "5" * 64, "complete": True},
    "resumed": {"approvals": ["apr_1"], "why": "decided", "trace_id": "1" * 32},
}
"""What stands in the entries of an intent that waited for a person."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A database and its folder of heads."""

    database: Database
    heads: Path
    address: Path | Secret
    key: SigningKey = KEY
    writers: list[RecordWriter] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """The file of a database of SQLite."""
        assert isinstance(self.address, Path)
        return self.address

    def run(self, sql: str, *values: object) -> int:
        """Change something behind the gateway's back; how many rows that were. Bytes are written as SQLite does: ``x'00'``."""
        if self.database.shared:
            sql = re.sub(r"x'([0-9a-f]*)'", r"'\\\\x\1'", sql).replace("?", "%s")
        with closing(self.database.driver()) as connection:
            return int(connection.execute(sql, values or None if self.database.shared else values).rowcount)

    def writer(self, **options: Any) -> RecordWriter:
        self.writers.append(RecordWriter(self.database, heads=self.heads, key=self.key, **options))
        return self.writers[-1]

    def end(self) -> None:
        """End writers that a test which failed has left: on a server they would meddle with the next one."""
        for writer in self.writers:
            if writer._thread is not None:
                writer._batches.put(None)
                writer._thread.join(20)

    def verify(self, tenant: str = "acme") -> Report:
        return verify_database(self.database, self.heads, tenant, self.key.verify_key)

    @staticmethod
    def opened(intent_id: str, tenant: str = "acme", **fields: Any) -> Entry:
        facts = {"route": "assistant", "target": "simulated", "subject": {"id": "k1", "kind": "key"}, "trace_id": "0" * 32}
        content = b'{"request":{"messages":["from ' + intent_id.encode() + b'"]}}'
        base: dict[str, Any] = {"facts": facts, "content": content, "at_ns": time.time_ns(), "expires_ns": 2_000_000_000_000_000_000}
        return Entry(tenant=tenant, intent_id=intent_id, kind="opened", **{**base, **fields})

    @staticmethod
    def closed(intent_id: str, tenant: str = "acme", **fields: Any) -> Entry:
        facts = {"state": "completed", "http_status": 200, "attempts": [{"target": "simulated", "started_ns": 1, "ended_ns": 2, "cost_microusd": 7}]}
        base: dict[str, Any] = {"facts": facts, "content": b'{"answer":"for ' + intent_id.encode() + b'"}', "digests": {"released": b"what the caller got"}}
        return Entry(tenant=tenant, intent_id=intent_id, kind="closed", **{"at_ns": time.time_ns(), **base, **fields})

    @staticmethod
    def held(kind: str, intent_id: str, tenant: str = "acme", **fields: Any) -> Entry:
        """An entry of an intent that waits for a person: ``parked``, ``decided`` or ``resumed``."""
        facts: dict[str, Any] = {"task": f"tsk_{intent_id}", **FACTS[kind]}
        content = b'{"comment":"as agreed"}' if kind == "decided" else None
        return Entry(tenant=tenant, intent_id=intent_id, kind=kind, **{"at_ns": time.time_ns(), "facts": facts, "content": content, **fields})

    def row(self, intent_id: str, state: State = State.RUNNING, tenant: str = "acme") -> None:
        """Give an intent a row, as one has that waits for a person or has an idempotency key."""
        row = IntentRow(tenant, intent_id, "key_1", state, 1, "chat", "assistant", False, "0" * 64, None, 1, 1, "", None, None, 0, None, None, None, None)
        with self.database.write() as connection:
            insert_intent(connection, row)

    def state_of(self, intent_id: str, tenant: str = "acme") -> tuple[str, int] | None:
        """State and version of its row."""
        with self.database.read() as connection:
            found = intent_of(connection, tenant, intent_id)
        return None if found is None else (found.state, found.version)

    def kinds(self, intent_id: str, tenant: str = "acme") -> list[str]:
        """The kinds of an intent's entries, in the order of its chains."""
        return [row.kind for row in Ledger(self.database).of_intent(tenant, intent_id)]


@pytest.fixture
def shelf(address: Path | Secret, tmp_path: Path) -> Iterator[Shelf]:
    """On both kinds of databases."""
    shelf = made(address, tmp_path)
    yield shelf
    shelf.end()


@pytest.fixture
def file_shelf(tmp_path: Path) -> Iterator[Shelf]:
    """On a file, for what only a file can do."""
    shelf = made(tmp_path / "gateway.db", tmp_path)
    yield shelf
    shelf.end()


@pytest.fixture
def server_shelf(ready_postgres: Secret, tmp_path: Path) -> Iterator[Shelf]:
    """On a server, for what only a server can do."""
    shelf = made(ready_postgres, tmp_path)
    yield shelf
    shelf.end()


def made(address: Path | Secret, folder: Path) -> Shelf:
    database = Database(address, durability="process")
    database.prepare()
    return Shelf(database=database, heads=folder / "heads", address=address)
