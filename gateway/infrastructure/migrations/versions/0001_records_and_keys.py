"""The first schema: the ledger, the intents that are open, API keys and change marks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the four tables."""
    op.create_table(
        "entries",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("writer", _TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("intent_id", _TEXT, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("state", _TEXT),
        sa.Column("route", _TEXT),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("content", sa.LargeBinary()),
        sa.Column("expires_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant", "writer", "seq", name="pk_entries"),
    )
    op.create_index("ix_entries_intent", "entries", ["tenant", "intent_id"])
    kept = sa.text("salt IS NOT NULL")
    op.create_index("ix_entries_expiry", "entries", ["tenant", "expires_ns"], sqlite_where=kept, postgresql_where=kept)
    op.create_table(
        "open_intents",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("intent_id", _TEXT, nullable=False),
        sa.Column("writer", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "intent_id", name="pk_open_intents"),
    )
    op.create_table(
        "keys",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("teams", _TEXT, nullable=False),
        sa.Column("roles", _TEXT, nullable=False),
        sa.Column("routes", _TEXT, nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger()),
        sa.Column("revoked_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )
    op.create_index("ix_keys_tenant", "keys", ["tenant"])
    op.create_table(
        "marks",
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )
