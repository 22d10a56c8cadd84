"""What people decide about: intents that wait or can be asked for again, what it takes to go on with them, tasks, approvals and announcements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables. Nothing of before is touched."""
    _intents()
    _tasks()
    _approvals()


def _partial(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _intents() -> None:
    op.create_table(
        "intents",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("subject", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("surface", _TEXT, nullable=False),
        sa.Column("route", _TEXT, nullable=False),
        sa.Column("stream", sa.Boolean(), nullable=False),
        sa.Column("call_sha256", _TEXT, nullable=False),
        sa.Column("idempotency_key", _TEXT),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("trace", _TEXT, nullable=False),
        sa.Column("task_id", _TEXT),
        sa.Column("ready_ns", sa.BigInteger()),
        sa.Column("holds", sa.BigInteger(), nullable=False),
        sa.Column("http_status", sa.BigInteger()),
        sa.Column("collected_ns", sa.BigInteger()),
        sa.Column("record_expires_ns", sa.BigInteger()),
        sa.Column("expires_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_intents"),
    )
    _partial("ix_intents_key", "intents", ["tenant", "subject", "idempotency_key"], "idempotency_key IS NOT NULL", unique=True)
    joinable = "idempotency_key IS NULL AND collected_ns IS NULL"
    _partial("ix_intents_call", "intents", ["tenant", "subject", "call_sha256", "created_ns"], joinable)
    _partial("ix_intents_ready", "intents", ["ready_ns"], "ready_ns IS NOT NULL")
    _partial("ix_intents_expiry", "intents", ["expires_ns"], "state NOT IN ('parked', 'running')")
    op.create_table(
        "payloads",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("intent_id", _TEXT, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant", "intent_id", "kind", name="pk_payloads"),
    )
    _partial("ix_payloads_expiry", "payloads", ["expires_ns"], "expires_ns IS NOT NULL")


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("intent_id", _TEXT, nullable=False),
        sa.Column("queue", _TEXT, nullable=False),
        sa.Column("mode", _TEXT, nullable=False),
        sa.Column("hook", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("route", _TEXT, nullable=False),
        sa.Column("requester", _TEXT, nullable=False),
        sa.Column("requester_name", _TEXT, nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("due_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("on_expiry", _TEXT, nullable=False),
        sa.Column("min_approvers", sa.BigInteger(), nullable=False),
        sa.Column("distinct_from", _TEXT, nullable=False),
        sa.Column("claimed_by", _TEXT),
        sa.Column("claimed_name", _TEXT),
        sa.Column("claimed_until_ns", sa.BigInteger()),
        sa.Column("reasons", _TEXT, nullable=False),
        sa.Column("signals", _TEXT, nullable=False),
        sa.Column("confidence", sa.Double()),
        sa.Column("policy_revision", _TEXT, nullable=False),
        sa.Column("scope_sha256", _TEXT, nullable=False),
        sa.Column("hold_sha256", _TEXT, nullable=False),
        sa.Column("outcome", _TEXT),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_tasks"),
    )
    op.create_index("ix_tasks_intent", "tasks", ["tenant", "intent_id"])
    op.create_index("ix_tasks_due", "tasks", ["tenant", "state", "due_ns", "id"])
    op.create_index("ix_tasks_queue", "tasks", ["tenant", "queue", "state", "due_ns", "id"])
    _partial("ix_tasks_expiry", "tasks", ["expires_ns"], "state IN ('open', 'claimed')")


def _approvals() -> None:
    op.create_table(
        "task_moves",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("task_id", _TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("move", _TEXT, nullable=False),
        sa.Column("by", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("facts", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "task_id", "seq", name="pk_task_moves"),
    )
    op.create_table(
        "approvals",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("intent_id", _TEXT, nullable=False),
        sa.Column("task_id", _TEXT, nullable=False),
        sa.Column("hook", _TEXT, nullable=False),
        sa.Column("by", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("roles", _TEXT, nullable=False),
        sa.Column("teams", _TEXT, nullable=False),
        sa.Column("mode", _TEXT, nullable=False),
        sa.Column("action", _TEXT, nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("scope_sha256", _TEXT, nullable=False),
        sa.Column("hold_sha256", _TEXT, nullable=False),
        sa.Column("policy_revision", _TEXT, nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("used_ns", sa.BigInteger()),
        sa.Column("revoked_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_intent", "approvals", ["tenant", "intent_id"])
    op.create_table(
        "announcements",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("task_id", _TEXT, nullable=False),
        sa.Column("queue", _TEXT, nullable=False),
        sa.Column("due_ns", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "task_id", "queue", name="pk_announcements"),
    )
    op.create_index("ix_announcements_due", "announcements", ["queue", "due_ns"])
