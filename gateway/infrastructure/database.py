"""The border to SQL: transactions, the claim to serve and migrations, on whatever an address leads to. ``database_*.py`` beside it hold the rest.

Whatever a driver or SQLAlchemy raises leaves as ``DatabaseError``; its text never quotes a value. What is specific to a kind of database is a
``Dialect``: ``database_sqlite`` for a path, ``database_postgres`` for a URL.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from gateway.infrastructure.database_dialect import DatabaseError, DatabaseInUseError, Dialect
from gateway.infrastructure.database_schema import REVISION
from gateway.infrastructure.database_sqlite import SqliteDialect
from gateway.settings import Secret

__all__ = ["Database", "DatabaseError", "DatabaseInUseError"]


class Database:
    """One database. Cheap to build; nothing is opened until it is used. Safe to share between threads."""

    def __init__(self, address: Path | Secret, *, durability: str = "power") -> None:
        """``address`` is a file of SQLite or holds the URL of a PostgreSQL database.

        ``durability`` is ``power`` (a commit survives a power cut) or ``process`` (it survives ``kill -9`` of the gateway).

        Raises:
            DatabaseError: The URL cannot be understood.
        """
        self.dialect = _dialect(address, durability)

    @property
    def place(self) -> str:
        """Where it is, without user and password: to be shown."""
        return self.dialect.place

    @property
    def shared(self) -> bool:
        """Whether several processes serve it, each with chains of its own."""
        return self.dialect.shared

    def driver(self) -> Any:
        """A bare connection of the driver in autocommit mode.

        Raises:
            DatabaseError: There is none to be had.
        """
        with self.dialect.wrapped():
            return self.dialect.driver()

    @contextlib.contextmanager
    def read(self, *, patient: bool = False) -> Iterator[Connection]:
        """A transaction that sees one snapshot. ``patient``: for a command; a server gets longer than the five seconds that a call can wait.

        Raises:
            DatabaseError: The database cannot be read.
        """
        with self.dialect.wrapped(), self.dialect.engine.connect() as connection:
            self.dialect.begin_reading(connection, patient=patient)
            yield connection
            connection.rollback()

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction of a command, one at a time. It is committed at the end, or rolled back on an exception.

        Raises:
            DatabaseError: The database cannot be written.
        """
        with self.dialect.wrapped(), self.dialect.engine.connect() as connection:
            self.dialect.begin_writing(connection)
            yield connection
            connection.commit()

    @contextlib.contextmanager
    def bare(self) -> Iterator[Connection]:
        """A connection without a transaction, for who begins and commits by himself. It is closed at the end, and all that it held is free then."""
        with self.dialect.wrapped():
            connection = self.dialect.engine.connect()
            connection.detach()
        try:
            yield connection
        finally:
            with self.dialect.wrapped():
                connection.close()

    def identity(self) -> object:
        """What differs when somebody has put another file in this one's place; of a server, nothing.

        Raises:
            DatabaseError: There is no such file.
        """
        with self.dialect.wrapped():
            return self.dialect.identity()

    def prepare(self) -> None:
        """Create the schema, and the file of SQLite, if there is none, and bring it to the current one. Cheap where it is current already.

        Raises:
            DatabaseError: It cannot be created or migrated, or a newer gateway has made it.
        """
        with self.dialect.wrapped():
            if self.dialect.revision() == REVISION:
                return
            # Alembic takes 0.1-0.4 s to import: only a new or an older database pays for it.
            upgrade = importlib.import_module("gateway.infrastructure.database_migration").upgrade
            with self.dialect.migrating() as connection:
                hindrance = upgrade(connection)
                if hindrance is not None:
                    raise DatabaseError(f"{self.place}: {hindrance}")
                connection.commit()

    def claim(self) -> None:
        """Become a process that serves this database, until ``release`` or the process's end: the only one of a file. Commands need no claim.

        Raises:
            DatabaseInUseError: Another process serves the file.
            DatabaseError: The lock file cannot be made.
        """
        with self.dialect.wrapped():
            self.dialect.claim()

    def release(self) -> None:
        """Give the claim back."""
        self.dialect.release()

    def wipe_freed(self, *, wait_s: float = 10.0) -> bool:
        """Make what was deleted unreadable as far as the database can (``docs/records.md`` says how far). ``False`` if others kept it busy."""
        with self.dialect.wrapped():
            return self.dialect.wipe_freed(wait_s)


def _dialect(address: Path | Secret, durability: str) -> Dialect:
    if isinstance(address, Path):
        return SqliteDialect(address, durability)
    # psycopg takes 0.1 s to import: a gateway on SQLite does not pay for it.
    made: Dialect = importlib.import_module("gateway.infrastructure.database_postgres").PostgresDialect(address, durability)
    return made
