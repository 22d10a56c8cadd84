"""What is specific to SQLite: one file, one writer at a time, one process that serves it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine

from gateway.infrastructure.database_dialect import DatabaseInUseError, Dialect

_BUSY_TIMEOUT_MS = 5_000
_SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}
"""In WAL mode FULL syncs every commit, NORMAL only checkpoints: a commit then outlives the process, not a power cut (https://sqlite.org/wal.html)."""


class SqliteDialect(Dialect):
    """A file in WAL mode."""

    shared = False
    begin_appending = "BEGIN IMMEDIATE"
    begin_moving = hurry_moving = ""
    mark = "?"
    failures = (sqlite3.Error,)

    def __init__(self, path: Path, durability: str) -> None:
        """``durability`` is ``power`` or ``process``."""
        self.path = path
        self.place = str(path)
        self._synchronous = _SYNCHRONOUS[durability]
        self.engine = create_engine("sqlite://", creator=self.driver, poolclass=NullPool, hide_parameters=True)
        self._lock: int | None = None

    def words(self, error: BaseException) -> str:
        """SQLite's own words: they name tables and columns, no values."""
        return str(error)

    def driver(self) -> sqlite3.Connection:
        """A bare connection. It opens an existing file only: a database that was removed is missed, not replaced by an empty one."""
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_MS / 1000, check_same_thread=False
        )
        connection.text_factory = _text
        for pragma in (f"synchronous={self._synchronous}", "secure_delete=ON", "foreign_keys=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def begin_reading(self, connection: Connection, *, patient: bool) -> None:
        """A reader is never kept waiting, so patience makes no difference."""
        del patient
        connection.exec_driver_sql("BEGIN")

    def begin_writing(self, connection: Connection) -> None:
        """Hold the write lock from the beginning: no transaction that read first has to be given up."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def identity(self) -> tuple[int, int]:
        """Device and inode of the file."""
        stat = os.stat(self.path)  # noqa: PTH116 - half the cost of Path.stat, on every commit
        return stat.st_dev, stat.st_ino

    def revision(self) -> str | None:
        """The revision in the file, if there is one."""
        if not self.path.exists():
            return None
        with contextlib.closing(self.driver()) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return None if row is None else str(row[0])

    @contextlib.contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A lock file beside the database keeps others out, also while there is no database yet."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path.with_name(self.path.name + ".migrating")):
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            with contextlib.closing(self.driver()) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            with self.engine.connect() as changing:
                changing.exec_driver_sql("BEGIN IMMEDIATE")
                yield changing

    def claim(self) -> None:
        """Lock a file beside the database for as long as this process lives."""
        served = self.path.resolve()  # one lock, by whatever links the file is reached
        path = served.with_name(served.name + ".lock")
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
        """Unlock it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def hold(self, connection: Connection, writer: str) -> None:
        """Nothing: the claim proves that this process is the only one."""

    def is_dead(self, connection: Connection, writer: str) -> bool:
        """Every writer but one's own is: who asks has the claim."""
        del connection, writer
        return True

    def lock(self, connection: Connection, name: str) -> None:
        """Nothing: one transaction writes at a time."""

    def wipe_freed(self, wait_s: float) -> bool:
        """Move the write-ahead log into the database and cut it to nothing; in the database freed bytes are overwritten (``secure_delete``)."""
        deadline = time.monotonic() + wait_s
        with contextlib.closing(self.driver()) as connection:
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
