"""The tables. ``migrations/`` brings an older database to them; a test holds the two equal.

``entries`` is the ledger: rows are added, and erasure sets ``salt`` and ``content`` to NULL; nothing else ever changes there. ``open_intents`` is a
helper that makes recovery cheap: an intent stands in it between the commit of its ``opened`` and that of its ``closed`` entry. ``marks`` holds a
random token per subject, renewed with every change, so that other processes see a change by reading one row. ``log_positions`` says how far the decision
log has come in each chain.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, PrimaryKeyConstraint, Table, Text, text

REVISION = "0002"
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
