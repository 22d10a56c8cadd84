"""Very many parked intents, each as one that a gateway has parked: its row, its task, what is kept of it, and its entries on record.

Each is a copy of a real one with ids, times and a body of its own, sealed and linked anew, so that any of them can be claimed, decided and gone on with.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Table

from gateway.capabilities.approvals import call_sha256, scope_sha256
from gateway.capabilities.intents import IntentStore, Loaded
from gateway.capabilities.payloads import CALL, CONTEXT, PayloadKeys
from gateway.capabilities.records.chain import draft, new_writer_id
from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.heads import HeadFiles
from gateway.capabilities.records.journal import Journal, Move
from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.tasks.store import TaskStore, new_task_id
from gateway.domain import Json
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_intents import IntentRow, PayloadRow
from gateway.infrastructure.database_ledger import Effect, Ledger, LedgerTransaction
from gateway.infrastructure.database_schema import intents, payloads, task_moves, tasks
from gateway.infrastructure.database_tasks import TaskMove, TaskRow
from gateway.pipeline.intent import new_intent_id
from gateway.pipeline.kept import TERMS
from gateway.pipeline.terms import terms_of
from gateway.settings import Settings

NUMBER = "77777777"
"""In the body of the real one, what is another number in every copy."""
_BATCH = 2_000
_SECOND_NS = 1_000_000_000
_FIRST_DUE_S, _LAST_DUE_S = 2 * 3600, 24 * 3600
"""When copies are due and how long they are kept: none expires while the bench runs."""


class Copy(NamedTuple):
    """One parked intent."""

    intent: IntentRow
    task: TaskRow
    move: TaskMove
    payloads: list[PayloadRow]
    entries: list[Entry]


class Copier:
    """Makes copies of one parked intent, which has to be in the database."""

    def __init__(self, settings: Settings, database: Database, tenant: str, intent_id: str) -> None:
        loaded = IntentStore(database).load(tenant, intent_id)
        if loaded is None or loaded.task is None:
            raise RuntimeError(f"there is no parked intent {intent_id} to copy")
        secrets = [secret.reveal() for secret in settings.tenants[tenant].payload_keys]
        self._keys = PayloadKeys({tenant: secrets})
        self._row, self._task = loaded.row, loaded.task
        self._move = TaskStore(database).moves(tenant, loaded.task.id)[0]
        self._kept = self._opened(loaded)
        self._entries = [(orjson.loads(row.body), row.content or b"") for row in Ledger(database).of_intent(tenant, intent_id)]
        self._queues = sorted(settings.queues)
        self._chance = random.Random(7)

    def copy(self, number: int) -> Copy:
        """The copy of this number: due at any time from two hours to a day from now, in any queue."""
        now_ns = time.time_ns()
        due_ns = now_ns + self._chance.randrange(_FIRST_DUE_S, _LAST_DUE_S) * _SECOND_NS
        expires_ns = due_ns + _LAST_DUE_S * _SECOND_NS
        ids = {self._row.id.encode(): new_intent_id(now_ns).encode(), self._task.id.encode(): new_task_id(now_ns).encode()}
        intent_id, task_id = (made.decode() for made in ids.values())
        queue = self._chance.choice(self._queues)
        kept = {kind: orjson.loads(plain.replace(NUMBER.encode(), b"%08d" % number)) for kind, plain in self._kept.items()}
        sha256 = call_sha256(self._row.subject, self._row.surface, kept[CALL]["body"])
        row = self._row._replace(id=intent_id, task_id=task_id, call_sha256=sha256, created_ns=now_ns, changed_ns=now_ns)
        times: dict[str, Any] = {"created_ns": now_ns, "due_ns": due_ns, "expires_ns": expires_ns}
        task = self._task._replace(id=task_id, intent_id=intent_id, queue=queue, scope_sha256=scope_sha256(sha256, None), **times)
        kept[CONTEXT][TERMS] = terms_of(sha256, task, None)
        sealed = [
            PayloadRow(row.tenant, row.id, kind, *self._keys.seal(row.tenant, row.id, kind, orjson.dumps(plain)), expires_ns=expires_ns)
            for kind, plain in kept.items()
        ]
        told = {"task": task_id, "queue": queue, "due_ns": due_ns, "expires_ns": expires_ns}
        entries = [_entry(body, content, row.id, now_ns, told, number) for body, content in self._entries]
        return Copy(row, task, self._move._replace(task_id=task_id, at_ns=now_ns), sealed, entries)

    def _opened(self, loaded: Loaded) -> dict[str, bytes]:
        return {row.kind: self._keys.open(row.tenant, row.intent_id, row.kind, row.key_id, row.sealed) for row in loaded.payloads.values()}


def _entry(body: Json, content: bytes, intent_id: str, now_ns: int, told: Json, number: int) -> Entry:
    facts = body["facts"] | told if "task" in body["facts"] else body["facts"]
    return Entry(
        tenant=body["tenant"],
        intent_id=intent_id,
        kind=body["kind"],
        at_ns=now_ns,
        facts=facts,
        content=content.replace(NUMBER.encode(), b"%08d" % number),
        expires_ns=body["expires_ns"],
    )


def fill(settings: Settings, database: Database, tenant: str, intent_id: str, count: int) -> None:
    """Park ``count`` copies of an intent, many in one transaction, by the journal that the gateway's own records are written with."""
    copier = Copier(settings, database, tenant, intent_id)
    writer = new_writer_id()
    heads = HeadFiles(settings.records.heads, SigningKey(settings.keys.record_signing.reveal()), writer, sync=False)
    journal = Journal(database, heads, writer)
    for start in range(0, count, _BATCH):
        copies = [copier.copy(number) for number in range(start, min(count, start + _BATCH))]
        move = Move(effect=_parking(copies), drafts=tuple(draft(entry) for copy in copies for entry in copy.entries), at=0)
        journal.commit((), [move])
        if move.error is not None:
            raise move.error
    journal.close()
    if database.shared:
        with database.bare() as connection:
            connection.exec_driver_sql("ANALYZE")  # as a server does by itself within a minute


def _parking(copies: Sequence[Copy]) -> Effect[None]:
    """What ``capabilities.intents.park`` adds for each, table by table."""

    def effect(ledger: LedgerTransaction) -> None:
        _insert(ledger, intents, [copy.intent for copy in copies])
        _insert(ledger, payloads, [row for copy in copies for row in copy.payloads])
        _insert(ledger, tasks, [copy.task for copy in copies])
        _insert(ledger, task_moves, [copy.move for copy in copies])

    return effect


def _insert(ledger: LedgerTransaction, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Rows are tuples in the order of the table's columns. Past SQLAlchemy, which takes several times as long for so many."""
    named = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join("?" if ledger.connection.dialect.name == "sqlite" else "%s" for _ in table.columns)
    ledger.connection.connection.cursor().executemany(f"INSERT INTO {table.name} ({named}) VALUES ({marks})", rows)
