from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.infrastructure.database import Database, DatabaseError
from gateway.settings import Secret


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address)
    database.prepare()
    return database


def mark(name: str) -> dict[str, object]:
    return {"name": name, "token": b"\0"}


INSERT = text("INSERT INTO marks (name, token) VALUES (:name, :token)")


def test_a_transaction_is_committed_at_its_end_and_rolled_back_on_an_exception(database: Database) -> None:
    with database.write() as connection:
        connection.execute(INSERT, mark("kept"))
    with pytest.raises(DatabaseError), database.write() as connection:
        connection.execute(INSERT, [mark("dropped"), mark("kept")])
    with database.read() as connection:
        assert connection.execute(text("SELECT name FROM marks")).scalars().all() == ["kept"]


def test_a_reader_sees_one_moment_and_changes_nothing(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM marks")).scalar() == 0
        with database.write() as other:
            other.execute(INSERT, mark("later"))
        assert connection.execute(text("SELECT count(*) FROM marks")).scalar() == 0


@pytest.mark.parametrize("token", [None, b"jane@example.com"])
def test_errors_never_quote_values(database: Database, token: bytes | None) -> None:
    rows = [{"name": "jane@example.com", "token": token}] * 2
    with pytest.raises(DatabaseError, match=r"NOT NULL|not-null|UNIQUE|unique") as caught, database.write() as connection:
        connection.execute(INSERT, rows)
    assert "jane" not in str(caught.value)
    assert database.place in str(caught.value)


def test_a_bare_connection_is_gone_at_the_end(database: Database) -> None:
    with database.bare() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    with pytest.raises(database.dialect.failures):
        driver.cursor().execute("SELECT 1")


def test_preparing_a_current_database_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        connection.execute(INSERT, mark("kept"))
    database.prepare()
    with database.read() as connection:
        assert connection.execute(text("SELECT name FROM marks")).scalars().all() == ["kept"]


def test_what_was_deleted_is_wiped_unless_somebody_still_sees_it(database: Database) -> None:
    with database.write() as connection:
        connection.execute(INSERT, mark("deleted"))
    with database.read() as reader:
        assert reader.execute(text("SELECT count(*) FROM marks")).scalar() == 1
        with database.write() as connection:
            connection.execute(text("DELETE FROM marks"))
        assert not database.wipe_freed(wait_s=0.1)
    assert database.wipe_freed()


def test_a_database_beside_others_is_claimed_and_given_back(database: Database) -> None:
    database.claim()
    other = Database(database.dialect.path) if not database.shared else database  # type: ignore[attr-defined]  # a file has a path
    with other.write() as connection:
        connection.execute(INSERT, mark("by a command"))
    database.release()
    other.claim()
    other.release()
    assert other.identity() == database.identity()


def test_a_gateway_on_a_file_does_not_import_what_postgres_needs(tmp_path: Path) -> None:
    code = "import pathlib, sys; from gateway.infrastructure.database import Database; Database(pathlib.Path(sys.argv[1])).prepare()"
    code += "; print([name for name in ('psycopg', 'gateway.infrastructure.database_postgres') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "g.db")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
