"""What is specific to PostgreSQL: several processes serve one database, and holding a connection is the proof that a writer lives.

A writer's connection has a session-level advisory lock for the writer's id. The server frees it when the connection ends, which is after its last
commit, so that whoever finds it free knows that nothing more can come (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, QueuePool, create_engine

from gateway.infrastructure.database_dialect import DatabaseError, Dialect
from gateway.settings import Secret

T = TypeVar("T")

CONNECT_S: Final = 5
"""How long a connection may take to be made. libpq takes whole seconds, at least 2."""
STATEMENT_S: Final = 5.0
"""How long one statement of the serving process may take."""
PATIENT_S: Final = 120.0
"""The same of a command."""
MOVE_LOCK_MS: Final = 500
HURRIED_LOCK_MS: Final = 20
"""How long an effect waits for a row or lock. Who lives holds it for milliseconds, and who stands still must not stop all calls of others."""
_GRACE_S: Final = 1.0
"""How much longer the client waits: what the server ends itself comes with a reason, and the connection stays good."""
_POOL: Final = {"pool_size": 4, "max_overflow": 8, "pool_timeout": STATEMENT_S, "pool_pre_ping": True}
_SESSION: Final = {
    "statement_timeout": "5s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "20s",  # a process that stands still keeps nobody out
    "tcp_keepalives_idle": "5",  # the connection of a machine that is gone ends within about 11 s, and its writer's intents can be closed
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "11s",
    "client_min_messages": "error",
}
_SYNCHRONOUS: Final = {
    # What the server's owner demands beyond this, such as remote_apply, stays.
    "power": "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')",
    "process": "SELECT set_config('synchronous_commit', 'off', false)",
}
_HOST = re.compile(r"[A-Za-z0-9._:%,/-]*")
_PORT = re.compile(r"[0-9,]*")
_NAME = re.compile(r"[^@/?#]+")


class _ImpatientConnection(psycopg.Connection[Any]):
    """A connection that is given up when the server does not answer: a server that hangs keeps TCP alive, so that nothing else would tell."""

    patience_s: float = STATEMENT_S + _GRACE_S

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's, with a limit."""
        began = time.monotonic()
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is not None or self.closed or error.sqlstate is not None or time.monotonic() - began < self.patience_s:
                raise
            self.pgconn.finish()  # what it was doing is unknown, so that nothing can follow on it
            raise psycopg.OperationalError(f"the server has not answered for {self.patience_s:.0f} s") from error


class PostgresDialect(Dialect):
    """A database of a PostgreSQL server."""

    shared = True
    begin_appending = "BEGIN READ WRITE"  # a server that only copies another one says so here, and not first with an entry
    begin_moving = f"SET LOCAL lock_timeout = '{MOVE_LOCK_MS}ms'"
    hurry_moving = f"SET LOCAL lock_timeout = '{HURRIED_LOCK_MS}ms'"
    mark = "%s"
    failures = (psycopg.Error,)

    def __init__(self, url: Secret, durability: str) -> None:
        """``durability`` is ``power`` or ``process``.

        Raises:
            DatabaseError: ``url`` is none, or has a password whose special characters are not written as %XX.
        """
        self._parameters = _parameters(url)
        self.place = _place(self._parameters)
        self._session = "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items()) + "; " + _SYNCHRONOUS[durability]
        self.engine = create_engine("postgresql+psycopg://", creator=self.driver, poolclass=QueuePool, hide_parameters=True, use_native_hstore=False, **_POOL)

    def words(self, error: BaseException) -> str:
        """The server's main sentence, without its details, which quote values; of wrong data not even that."""
        if not isinstance(error, psycopg.Error):
            return type(error).__name__
        if isinstance(error, psycopg.DataError):
            return f"{type(error).__name__}: a value is not what the database can hold"
        said = " ".join((error.diag.message_primary or str(error)).split())
        password = str(self._parameters.get("password") or "")
        return said.replace(password, "***") if len(password) > 3 else said

    def driver(self) -> psycopg.Connection[Any]:
        """A new connection, its limits set."""
        defaults = {"connect_timeout": CONNECT_S, "application_name": "gateway", "client_encoding": "UTF8"}
        connection = _ImpatientConnection.connect(autocommit=True, **{**defaults, **self._parameters})
        try:
            connection.execute(self._session)
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def begin_reading(self, connection: Connection, *, patient: bool) -> None:
        """A snapshot is taken with the first statement that follows."""
        _give_time(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", patient=patient)

    def begin_writing(self, connection: Connection) -> None:
        """A lock keeps commands apart; the writers of ledgers do not take it, as each appends to chains of its own."""
        _give_time(connection, "BEGIN READ WRITE", patient=True)
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_lock_key('commands')})")

    def identity(self) -> object:
        """A server's database cannot be exchanged under an open connection."""
        return None

    def revision(self) -> str | None:
        """The revision in the database, which has to be in UTF-8."""
        with contextlib.closing(self.driver()) as connection:
            encoding, there = connection.execute("SELECT current_setting('server_encoding'), to_regclass('alembic_version') IS NOT NULL").fetchone() or ("", 0)
            if encoding != "UTF8":
                raise DatabaseError(
                    f"{self.place}: the database's encoding is {encoding} and has to be UTF8; create it with ENCODING 'UTF8' TEMPLATE template0"
                )
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if there else None
            return None if row is None else str(row[0])

    @contextlib.contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A lock of the database keeps others out; they wait, and find the schema current then."""
        with self.engine.connect() as connection:
            _give_time(connection, "BEGIN READ WRITE", patient=True)
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_lock_key('migration')})")
            yield connection

    def claim(self) -> None:
        """Nothing: any number of processes serve it."""

    def release(self) -> None:
        """Close the connections that wait to be used again."""
        self.engine.dispose()

    def hold(self, connection: Connection, writer: str) -> None:
        """Take the writer's lock on this connection, for as long as it lasts."""
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_lock_key(writer)})").scalar():
            raise DatabaseError(f"{self.place}: an earlier connection of this process has not ended yet, or its intents are being closed; it is tried again")

    def is_dead(self, connection: Connection, writer: str) -> bool:
        """Whether the writer's lock was free. This transaction has it then, so that neither the writer nor anybody else can come between."""
        return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({_lock_key(writer)})").scalar())

    def lock(self, connection: Connection, name: str) -> None:
        """Take an advisory lock that ends with the transaction."""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_lock_key(f'move/{name}')})")

    def wipe_freed(self, wait_s: float) -> bool:
        """Let the server clean up old versions of rows, as soon as no transaction can see them any more."""
        deadline = time.monotonic() + wait_s
        older = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND age(backend_xmin) > age(%s::xid)"
        with contextlib.closing(self.driver()) as connection:
            (now,) = connection.execute("SELECT pg_current_xact_id()::xid::text").fetchone() or ("",)
            while connection.execute(older, (now,)).fetchone() is not None:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
            connection.execute("SET statement_timeout = 0")
            connection.patience_s = 86_400.0  # type: ignore[attr-defined]  # `driver` makes connections that have it
            connection.execute("VACUUM entries, payloads")
            return True


def _give_time(connection: Connection, begin: str, *, patient: bool) -> None:
    """Begin a transaction, with a command's patience or with a call's."""
    driver = connection.connection.dbapi_connection
    driver.patience_s = (PATIENT_S if patient else STATEMENT_S) + _GRACE_S  # type: ignore[union-attr]  # it is an open connection of `driver`
    connection.exec_driver_sql(begin)
    if patient:
        names = {"statement_timeout": f"{PATIENT_S:.0f}s", "lock_timeout": f"{PATIENT_S:.0f}s", "idle_in_transaction_session_timeout": "0"}
        connection.exec_driver_sql("SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in names.items()))


def _lock_key(name: str) -> int:
    """The number of an advisory lock: 64 bits, in a space that other users of the database share."""
    return int.from_bytes(sha256(f"gateway/{name}".encode()).digest()[:8], "big", signed=True)


def _parameters(url: Secret) -> Mapping[str, Any]:
    """What a URL says, as libpq understands it.

    A character of the password that should have been written as %XX moves parts of it to where errors show them: what looks like that is refused.
    """
    try:
        found = conninfo_to_dict(url.text())
    except (psycopg.Error, ValueError):
        found = {}
    host, port, name = (str(found.get(part, "")) for part in ("host", "port", "dbname"))
    if not _NAME.fullmatch(name) or not _HOST.fullmatch(host) or not _PORT.fullmatch(port):
        form = "postgresql://USER:PASSWORD@HOST:5432/NAME, where special characters of user and password are written as %XX"
        raise DatabaseError(f"the database's URL ({url.source}) cannot be understood; it has to be {form}") from None
    return found


def _place(parameters: Mapping[str, Any]) -> str:
    port = f":{parameters['port']}" if parameters.get("port") else ""
    return f"postgresql://{parameters.get('host') or 'localhost'}{port}/{parameters['dbname']}"
