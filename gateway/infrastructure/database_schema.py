"""The tables. ``migrations/`` brings an older database to them; a test holds the two equal.

``entries`` is the ledger: rows are added, and erasure sets ``salt`` and ``content`` to NULL; nothing else ever changes there. ``open_intents`` is a
helper that makes recovery cheap: an intent stands in it between the commit of its ``opened`` and that of its ``closed`` entry. ``marks`` holds a
random token per subject, renewed with every change, so that other processes see a change by reading one row. ``log_positions`` says how far the decision
log has come in each chain.

The rest is of people's decisions. An intent has a row in ``intents`` while it waits for a person, or where it came with an idempotency key; what it takes
to go on is in ``payloads``, encrypted. ``tasks``, their history ``task_moves``, ``approvals`` and ``announcements`` hang on it. Each index there serves one
query of ``database_intents`` or ``database_tasks``; the partial ones hold only what is still to be done, however much waits or has ended.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, LargeBinary, MetaData, PrimaryKeyConstraint, Table, Text, text

REVISION = "0003"
"""The newest revision in ``migrations/versions``; a test holds the two equal. Comparing it costs no import of Alembic."""


_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that sorts by its bytes, as it does in SQLite: ids sort by time, whatever language the server's owner speaks."""


class _Blob(LargeBinary):
    """Bytes, read as they are stored: somebody may have put text there, and ``verify`` has to see that."""

    def result_processor(self, dialect: object, coltype: object) -> None:
        """Convert nothing."""


metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"})

entries = Table(
    "entries",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("writer", _TEXT, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("intent_id", _TEXT, nullable=False),
    Column("kind", _TEXT, nullable=False),
    Column("state", _TEXT),
    Column("route", _TEXT),
    Column("body", _Blob, nullable=False),
    Column("hash", _Blob, nullable=False),
    Column("salt", _Blob),
    Column("content", _Blob),
    Column("expires_ns", BigInteger),
    PrimaryKeyConstraint("tenant", "writer", "seq"),
)
Index("ix_entries_intent", entries.c.tenant, entries.c.intent_id)
_KEPT = text("salt IS NOT NULL")
Index("ix_entries_expiry", entries.c.tenant, entries.c.expires_ns, sqlite_where=_KEPT, postgresql_where=_KEPT)

open_intents = Table(
    "open_intents",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("intent_id", _TEXT, nullable=False),
    Column("writer", _TEXT, nullable=False),
    PrimaryKeyConstraint("tenant", "intent_id"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", _TEXT, nullable=False),
    Column("tenant", _TEXT, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("teams", _TEXT, nullable=False),
    Column("roles", _TEXT, nullable=False),
    Column("routes", _TEXT, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger),
    Column("revoked_ns", BigInteger),
    PrimaryKeyConstraint("id"),
)
Index("ix_keys_tenant", keys.c.tenant)

marks = Table(
    "marks",
    metadata,
    Column("name", _TEXT, nullable=False),
    Column("token", LargeBinary, nullable=False),
    PrimaryKeyConstraint("name"),
)

log_positions = Table(
    "log_positions",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("writer", _TEXT, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "writer"),
)

intents = Table(
    "intents",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("id", _TEXT, nullable=False),
    Column("subject", _TEXT, nullable=False),
    Column("state", _TEXT, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("surface", _TEXT, nullable=False),
    Column("route", _TEXT, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("call_sha256", _TEXT, nullable=False),
    Column("idempotency_key", _TEXT),
    Column("created_ns", BigInteger, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
    Column("trace", _TEXT, nullable=False),
    Column("task_id", _TEXT),
    Column("ready_ns", BigInteger),
    Column("holds", BigInteger, nullable=False),
    Column("http_status", BigInteger),
    Column("collected_ns", BigInteger),
    Column("record_expires_ns", BigInteger),
    Column("expires_ns", BigInteger),
    PrimaryKeyConstraint("tenant", "id"),
)
JOINABLE = text("idempotency_key IS NULL AND collected_ns IS NULL")
"""Of a call that is known by its content alone, and nobody has fetched the outcome. A query has to say it in the same words, else SQLite scans."""
ENDED = text("state NOT IN ('parked', 'running')")
_KEYED, _READY = text("idempotency_key IS NOT NULL"), text("ready_ns IS NOT NULL")
Index("ix_intents_key", intents.c.tenant, intents.c.subject, intents.c.idempotency_key, unique=True, sqlite_where=_KEYED, postgresql_where=_KEYED)
Index("ix_intents_call", intents.c.tenant, intents.c.subject, intents.c.call_sha256, intents.c.created_ns, sqlite_where=JOINABLE, postgresql_where=JOINABLE)
Index("ix_intents_ready", intents.c.ready_ns, sqlite_where=_READY, postgresql_where=_READY)
Index("ix_intents_expiry", intents.c.expires_ns, sqlite_where=ENDED, postgresql_where=ENDED)

payloads = Table(
    "payloads",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("intent_id", _TEXT, nullable=False),
    Column("kind", _TEXT, nullable=False),
    Column("key_id", _TEXT, nullable=False),
    Column("sealed", _Blob, nullable=False),
    Column("expires_ns", BigInteger),
    PrimaryKeyConstraint("tenant", "intent_id", "kind"),
)
_EXPIRES = text("expires_ns IS NOT NULL")
Index("ix_payloads_expiry", payloads.c.expires_ns, sqlite_where=_EXPIRES, postgresql_where=_EXPIRES)

tasks = Table(
    "tasks",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("id", _TEXT, nullable=False),
    Column("intent_id", _TEXT, nullable=False),
    Column("queue", _TEXT, nullable=False),
    Column("mode", _TEXT, nullable=False),
    Column("hook", _TEXT, nullable=False),
    Column("state", _TEXT, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("route", _TEXT, nullable=False),
    Column("requester", _TEXT, nullable=False),
    Column("requester_name", _TEXT, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("on_expiry", _TEXT, nullable=False),
    Column("min_approvers", BigInteger, nullable=False),
    Column("distinct_from", _TEXT, nullable=False),
    Column("claimed_by", _TEXT),
    Column("claimed_name", _TEXT),
    Column("claimed_until_ns", BigInteger),
    Column("reasons", _TEXT, nullable=False),
    Column("signals", _TEXT, nullable=False),
    Column("confidence", Double),
    Column("policy_revision", _TEXT, nullable=False),
    Column("scope_sha256", _TEXT, nullable=False),
    Column("hold_sha256", _TEXT, nullable=False),
    Column("outcome", _TEXT),
    Column("moved", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "id"),
)
WAITING = text("state IN ('open', 'claimed')")
"""Of a task that nobody has decided yet."""
Index("ix_tasks_intent", tasks.c.tenant, tasks.c.intent_id)
Index("ix_tasks_due", tasks.c.tenant, tasks.c.state, tasks.c.due_ns, tasks.c.id)
Index("ix_tasks_queue", tasks.c.tenant, tasks.c.queue, tasks.c.state, tasks.c.due_ns, tasks.c.id)
Index("ix_tasks_expiry", tasks.c.expires_ns, sqlite_where=WAITING, postgresql_where=WAITING)

task_moves = Table(
    "task_moves",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("task_id", _TEXT, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("move", _TEXT, nullable=False),
    Column("by", _TEXT, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("facts", _TEXT, nullable=False),
    PrimaryKeyConstraint("tenant", "task_id", "seq"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("id", _TEXT, nullable=False),
    Column("intent_id", _TEXT, nullable=False),
    Column("task_id", _TEXT, nullable=False),
    Column("hook", _TEXT, nullable=False),
    Column("by", _TEXT, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("roles", _TEXT, nullable=False),
    Column("teams", _TEXT, nullable=False),
    Column("mode", _TEXT, nullable=False),
    Column("action", _TEXT, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("scope_sha256", _TEXT, nullable=False),
    Column("hold_sha256", _TEXT, nullable=False),
    Column("policy_revision", _TEXT, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("key_id", _TEXT, nullable=False),
    Column("mac", _Blob, nullable=False),
    Column("used_ns", BigInteger),
    Column("revoked_ns", BigInteger),
    PrimaryKeyConstraint("tenant", "id"),
)
Index("ix_approvals_intent", approvals.c.tenant, approvals.c.intent_id)

announcements = Table(
    "announcements",
    metadata,
    Column("tenant", _TEXT, nullable=False),
    Column("task_id", _TEXT, nullable=False),
    Column("queue", _TEXT, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "task_id", "queue"),
)
Index("ix_announcements_due", announcements.c.queue, announcements.c.due_ns)
