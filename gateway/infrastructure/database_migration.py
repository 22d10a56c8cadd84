"""Bring a database to the current schema with Alembic. Imported only when one is not there yet (see ``Database.prepare``)."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util.exc import CommandError
from sqlalchemy import Engine

from gateway.infrastructure.database import DatabaseError

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, path: Path) -> None:
    """Run the migrations that ``engine``'s database lacks, in one transaction.

    Raises:
        DatabaseError: The database is at a revision that this gateway does not know.
    """
    config = _config()
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except (CommandError, ResolutionError) as error:
            raise DatabaseError(f"{path}: made by a newer gateway than this one ({error}); use that one, or another database") from error
        connection.commit()


def newest_revision() -> str | None:
    """The newest revision among the migrations."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
