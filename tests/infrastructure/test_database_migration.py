from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_migration import newest_revision
from gateway.infrastructure.database_schema import REVISION, metadata


def test_the_schema_names_the_newest_migration() -> None:
    assert newest_revision() == REVISION


def test_the_migrations_lead_to_the_schema(tmp_path: Path) -> None:
    database = Database(tmp_path / "g.db")
    database.prepare()
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_current_database_is_prepared_without_alembic(tmp_path: Path) -> None:
    Database(tmp_path / "g.db").prepare()
    code = "import pathlib, sys; from gateway.infrastructure.database import Database; Database(pathlib.Path(sys.argv[1])).prepare()"
    code += "; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "g.db")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_database_of_a_newer_gateway_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "g.db")
    database.prepare()
    with closing(database.driver()) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer gateway"):
        database.prepare()


def test_an_interrupted_creation_is_completed(tmp_path: Path) -> None:
    (tmp_path / "g.db").touch()
    database = Database(tmp_path / "g.db")
    database.prepare()
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
