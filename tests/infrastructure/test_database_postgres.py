from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from gateway.infrastructure import database_postgres
from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_ledger import EntryRow, Ledger, LedgerTransaction, LedgerWriter
from gateway.settings import Secret
from tests.servers.postgres_fixtures import secret
from tests.servers.postgres_server import PASSWORD, Postgres

pytestmark = pytest.mark.services


@pytest.fixture
def database(ready_postgres: Secret) -> Iterator[Database]:
    database = Database(ready_postgres)
    yield database
    database.release()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://gateway:hun@ter2@db.example.com/records",
        "postgresql://gateway:hun/ter2@db.example.com/records",
        "postgresql://gateway:123/ter2@db.example.com/records",
        "postgresql://gateway:hun%zzter2@db.example.com/records",
        "postgresql://gateway:hun ter2@db.example.com:port/records",
        "postgresql://gateway:hunter2@db.example.com",
        "postgresql://gateway:hunter2@db.example.com/records?unknown=ter2",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(DatabaseError, match="env:DATABASE_URL") as caught:
        Database(secret(url))
    assert not {part for part in ("hun", "ter2") if part in str(caught.value)}


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:p@db.example.com:6432/records?sslmode=require", "postgresql://db.example.com:6432/records"),
        ("postgresql://u:p@[2001:db8::1]/records", "postgresql://2001:db8::1/records"),
        ("postgresql:///records?host=/run/postgresql", "postgresql:///run/postgresql/records"),
        ("postgresql://a.example.com,b.example.com:5433/records", "postgresql://a.example.com,b.example.com:,5433/records"),
    ],
)
def test_only_host_and_name_are_shown(url: str, place: str) -> None:
    database = Database(secret(url))
    assert database.place == place
    assert "u:p" not in repr(database)


def test_a_wrong_password_is_a_clear_error_without_it(postgres_server: Postgres) -> None:
    for database in (Database(secret(postgres_server.url("postgres", "wrong-horse"))), Database(secret(postgres_server.url("nowhere")))):
        with pytest.raises(DatabaseError, match=r"password authentication failed|does not exist") as caught:
            database.prepare()
        assert "wrong-horse" not in str(caught.value)
        assert PASSWORD not in str(caught.value)


def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(DatabaseError, match="refused"):
        Database(secret("postgresql://u:p@127.0.0.1:1/records")).prepare()


def test_a_database_in_another_encoding_is_refused(postgres_server: Postgres) -> None:
    postgres_server.admin("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(DatabaseError, match="LATIN1 and has to be UTF8"):
        Database(secret(postgres_server.url("latin"))).prepare()


@pytest.mark.parametrize(("durability", "synchronous"), [("power", "on"), ("process", "off")])
def test_durability_is_whether_a_commit_waits_for_the_disk(ready_postgres: Secret, durability: str, synchronous: str) -> None:
    with contextlib.closing(Database(ready_postgres, durability=durability).driver()) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == (synchronous,) if durability == "process" else True
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5s",)


def test_texts_that_postgres_cannot_hold_are_errors_without_them(database: Database) -> None:
    with pytest.raises(DatabaseError, match="not what the database can hold") as caught, database.write() as connection:
        connection.execute(text("INSERT INTO marks (name, token) VALUES (:name, '')"), {"name": "jane\0doe"})
    assert "jane" not in str(caught.value)


def test_processes_that_start_at_once_create_one_schema(empty_postgres: Secret) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: Database(empty_postgres).prepare(), range(6))) == [None] * 6
    with Database(empty_postgres).read() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_commands_write_one_after_the_other(database: Database) -> None:
    seen: list[str] = []

    def second() -> None:
        with database.write():
            seen.append("second")

    with database.write():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        seen.append("first")
    thread.join()
    assert seen == ["first", "second"]


def test_a_server_that_hangs_is_given_up_and_taken_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_postgres._ImpatientConnection, "patience_s", 0.5)
    writer = LedgerWriter(database, "w1")
    with writer.transaction() as transaction:
        pid = transaction.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(DatabaseError, match="has not answered"), writer.transaction():
            pass
        with pytest.raises(DatabaseError, match="has not ended yet"), writer.transaction():
            pass
    finally:
        os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while True:
        try:
            with writer.transaction() as transaction:
                assert transaction.open_intents() == []
            break
        except DatabaseError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    writer.close()


def test_a_statement_that_takes_too_long_ends_and_the_connection_lives(database: Database) -> None:
    with database.read() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 50")
        with pytest.raises(DatabaseError, match="statement timeout"), database.dialect.wrapped():
            connection.exec_driver_sql("SELECT pg_sleep(5)")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_connections_that_the_server_cut_are_replaced(database: Database, postgres_server: Postgres) -> None:
    writer = LedgerWriter(database, "w1")
    with writer.transaction(), database.read() as connection:
        connection.exec_driver_sql("SELECT 1")
    postgres_server.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway'")
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    with pytest.raises(DatabaseError, match=r"terminating|closed|not be executed"), writer.transaction():
        pass
    with writer.transaction() as transaction:
        assert transaction.open_intents() == []
    writer.close()


def test_a_full_pool_is_an_error_and_then_works_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.dialect.engine.pool, "_timeout", 0.1)
    with contextlib.ExitStack() as held:
        for _ in range(12):
            held.enter_context(database.read())
        with pytest.raises(DatabaseError, match="TimeoutError"), database.read():
            pass
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_a_connection_that_is_held_does_not_go_back_to_the_pool_with_its_lock(database: Database) -> None:
    with database.bare() as connection:
        database.dialect.hold(connection, "w1")
        with database.write() as other:
            assert not database.dialect.is_dead(other, "w1")
    deadline = time.monotonic() + 10
    while True:
        with database.write() as other:
            if database.dialect.is_dead(other, "w1"):
                break
        assert time.monotonic() < deadline


def test_two_connections_cannot_prove_the_same_life(database: Database) -> None:
    with database.bare() as one, database.bare() as other:
        database.dialect.hold(one, "w1")
        with pytest.raises(DatabaseError, match="tried again"):
            database.dialect.hold(other, "w1")


def insert_and_cut(transaction: LedgerTransaction, server: Postgres) -> None:
    transaction.insert([EntryRow("acme", "w1", 0, "", "genesis", None, None, b"{}", bytes(32), None, None, None)])
    server.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway'")


def test_what_was_appended_in_a_transaction_that_the_server_cut_is_not_there(database: Database, postgres_server: Postgres) -> None:
    writer = LedgerWriter(database, "w1")
    with pytest.raises(DatabaseError), writer.transaction() as transaction:
        insert_and_cut(transaction, postgres_server)
    with Ledger(database).snapshot("acme") as snapshot:
        assert list(snapshot.rows()) == []
    writer.close()


def test_a_reader_of_a_command_gets_more_time_and_the_next_one_does_not(database: Database) -> None:
    with database.read(patient=True) as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "2min"
    with database.read() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "5s"
