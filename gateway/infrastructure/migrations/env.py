"""Alembic's entry: run the migrations on the connection that ``database_migration`` hands over."""

from __future__ import annotations

from alembic import context

from gateway.infrastructure.database_schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
