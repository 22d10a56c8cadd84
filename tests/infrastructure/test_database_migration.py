from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Text

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
