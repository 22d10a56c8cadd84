from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Text

import gateway.infrastructure.migrations
from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_migration import newest_revision
from gateway.infrastructure.database_schema import REVISION, metadata
from gateway.settings import Secret
from tests.servers.postgres_fixtures import BOTH


def test_the_schema_names_the_newest_migration() -> None:
    assert newest_revision() == REVISION


@pytest.fixture(params=BOTH)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Path | Secret:
    found: Path | Secret = tmp_path / "g.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    return found


def test_the_migrations_lead_to_the_schema(empty: Path | Secret) -> None:
    database = Database(empty)
    database.prepare()
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_current_database_is_prepared_without_alembic(tmp_path: Path) -> None:
    Database(tmp_path / "g.db").prepare()
    code = "import pathlib, sys; from gateway.infrastructure.database import Database; Database(pathlib.Path(sys.argv[1])).prepare()"
    code += "; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "g.db")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_database_of_a_newer_gateway_is_refused(empty: Path | Secret) -> None:
    database = Database(empty)
    database.prepare()
    with closing(database.driver()) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer gateway"):
        database.prepare()


@pytest.mark.services
def test_ids_sort_by_their_bytes_whatever_the_language_of_the_server(empty_postgres: Secret) -> None:
    database = Database(empty_postgres)
    database.prepare()
    with database.read() as connection:
        found = connection.exec_driver_sql(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND collation_name = 'C'"
        )
        texts = {(table.name, column.name) for table in metadata.tables.values() for column in table.columns if isinstance(column.type, Text)}
        assert {(row[0], row[1]) for row in found} == texts


def test_an_interrupted_creation_is_completed(tmp_path: Path) -> None:
    (tmp_path / "g.db").touch()
    database = Database(tmp_path / "g.db")
    database.prepare()
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


ROWS = {
    "entries": "('acme', 'w1', 0, 'int_1', 'opened', NULL, 'assistant', x'01', x'02', x'03', x'04', 9)",
    "open_intents": "('acme', 'int_1', 'w1')",
    "keys": "('key_1', 'acme', 'Ann', x'05', '[]', '[]', '[]', 1, NULL, NULL)",
    "marks": "('keys', x'06')",
    "log_positions": "('acme', 'w1', 0)",
}
"""Rows as a gateway of revision 0002 has left them."""


def _prepare_as(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(gateway.infrastructure.migrations.__file__ or "").parent))
    with database.dialect.migrating() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def _all(database: Database, tables: list[str]) -> dict[str, list[tuple[object, ...]]]:
    with database.read() as connection:
        return {table: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")] for table in tables}


def test_a_database_of_before_keeps_all_its_rows(empty: Path | Secret) -> None:
    database = Database(empty)
    _prepare_as(database, "0002")
    with closing(database.driver()) as connection:
        for table, values in ROWS.items():
            connection.execute(f"INSERT INTO {table} VALUES " + (values if isinstance(empty, Path) else values.replace("x'", "'\\x")))
    before = _all(database, list(ROWS))
    database.prepare()
    assert _all(database, list(ROWS)) == before
    assert all(len(rows) == 1 for rows in before.values())
    new = [table for table in metadata.tables if table not in ROWS]
    assert set(new) == {"intents", "payloads", "tasks", "task_moves", "approvals", "announcements"}
    assert _all(database, new) == {table: [] for table in new}
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
