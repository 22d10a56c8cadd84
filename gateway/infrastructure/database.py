"""The border to SQL: connections, transactions, the one-server lock and migrations. ``database_*.py`` beside it hold schema and queries.

Whatever the driver or SQLAlchemy raises leaves as ``DatabaseError``; its text never quotes a value. What is specific to SQLite is here alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from gateway.infrastructure.database_schema import REVISION

_BUSY_TIMEOUT_MS = 5_000
_SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}
"""In WAL mode FULL syncs every commit, NORMAL only checkpoints: a commit then outlives the process, not a power cut (https://sqlite.org/wal.html)."""


class DatabaseError(Exception):
    """The database cannot be used. The message says what happened and where, never a value."""


class DatabaseInUseError(DatabaseError):
    """Another process already serves this database."""


@contextlib.contextmanager
def wrapped(path: Path) -> Iterator[None]:
    """Turn what the driver and SQLAlchemy raise into ``DatabaseError``."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or type(error).__name__
        raise DatabaseError(f"{path}: {cause}") from error
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(f"{path}: {error}") from error


class Database:
    """One database file. Cheap to build; nothing is opened until it is used. Safe to share between threads."""

    def __init__(self, path: Path, *, durability: str = "power") -> None:
        """``durability`` is ``power`` (a commit survives a power cut) or ``process`` (it survives ``kill -9``)."""
        self.path = path
        self._synchronous = _SYNCHRONOUS[durability]
        self._engine = create_engine("sqlite://", creator=self.driver, poolclass=NullPool, hide_parameters=True)
        self._lock: int | None = None

    def driver(self) -> sqlite3.Connection:
        """A bare connection in autocommit mode. It opens an existing file only: a database that was removed is missed, not replaced by an empty one."""
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_MS / 1000, check_same_thread=False
        )
        connection.text_factory = _text
        for pragma in (f"synchronous={self._synchronous}", "secure_delete=ON", "foreign_keys=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot.

        Raises:
            DatabaseError: The database cannot be read.
        """
        with wrapped(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning and is committed at the end, or rolled back on an exception.

        Raises:
            DatabaseError: The database cannot be written.
        """
        with wrapped(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    @contextlib.contextmanager
    def bare(self) -> Iterator[Connection]:
        """A connection without a transaction, for who begins and commits by himself."""
        with wrapped(self.path):
            connection = self._engine.connect()
        try:
            yield connection
        finally:
            with wrapped(self.path):
                connection.close()

    def identity(self) -> tuple[int, int]:
        """Device and inode of the file: they differ when somebody has put another file in its place.

        Raises:
            DatabaseError: There is no such file.
        """
        with wrapped(self.path):
            stat = os.stat(self.path)  # noqa: PTH116 - half the cost of Path.stat, on every commit
            return stat.st_dev, stat.st_ino

    def prepare(self) -> None:
        """Create the database if there is none and bring it to the current schema. Cheap where it is current already.

        Raises:
            DatabaseError: It cannot be created or migrated, or a newer gateway has made it.
        """
        with wrapped(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._revision() == REVISION:
                return
            with _locked(self.path.with_name(self.path.name + ".migrating")):
                self._create()
                if self._revision() == REVISION:
                    return
                # Alembic takes 0.1-0.4 s to import: only a new or an older database pays for it.
                hindrance = importlib.import_module("gateway.infrastructure.database_migration").upgrade(self._engine)
                if hindrance is not None:
                    raise DatabaseError(f"{self.path}: {hindrance}")

    def _create(self) -> None:
        fd = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.close(fd)
        with contextlib.closing(self.driver()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")

    def _revision(self) -> str | None:
        if not self.path.exists():
            return None
        with contextlib.closing(self.driver()) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return None if row is None else str(row[0])

    def claim(self) -> None:
        """Become the one process that serves this database, until ``release`` or the process's end. Commands beside it need no claim.

        Raises:
            DatabaseInUseError: Another process serves it.
            DatabaseError: The lock file cannot be made.
        """
        served = self.path.resolve()  # one lock, by whatever links the file is reached
        path = served.with_name(served.name + ".lock")
        with wrapped(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
                os.close(fd)
                message = f"{self.path} is served by another process (pid {holder}); stop it first, or give this one a database of its own"
                raise DatabaseInUseError(message) from error
            os.ftruncate(fd, 0)
            os.write(fd, str(os.getpid()).encode())
            self._lock = fd

    def release(self) -> None:
        """Give the claim back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def wipe_freed(self, *, wait_s: float = 10.0) -> bool:
        """Move the write-ahead log into the database and cut it to nothing, so that no freed bytes stay in it. ``False`` if others kept it busy."""
        deadline = time.monotonic() + wait_s
        with wrapped(self.path), contextlib.closing(self.driver()) as connection:
            connection.execute("PRAGMA busy_timeout=100")
            while True:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return True
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)


def _text(stored: bytes) -> str:
    """Text as it is stored. What is no UTF-8 comes as lone surrogates: a ledger that somebody damaged can still be read and judged."""
    return stored.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
