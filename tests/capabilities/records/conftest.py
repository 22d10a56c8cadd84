"""A ledger in a folder of its own, with what tests do to it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.records.verify import Report, verify_database
from gateway.capabilities.records.writer import RecordWriter
from gateway.infrastructure.database import Database

KEY = SigningKey(bytes(range(32)))


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A database and its folder of heads."""

    database: Database
    heads: Path
    key: SigningKey = KEY

    def writer(self, **options: Any) -> RecordWriter:
        return RecordWriter(self.database, heads=self.heads, key=self.key, **options)

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


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    database = Database(tmp_path / "gateway.db", durability="process")
    database.prepare()
    return Shelf(database=database, heads=tmp_path / "heads")
