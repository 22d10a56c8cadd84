"""Alembic's migrations, run by ``database_migration.py``: ``env.py`` hands over the connection, ``versions/`` holds one file per change of the schema."""
