"""Bring a database to the current schema with Alembic. Imported only when one is not there yet (see ``Database.prepare``)."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util.exc import CommandError
from sqlalchemy import Connection

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> str | None:
    """Run the migrations that are lacking, within the transaction of ``connection``. What hinders it where the revision is one that nobody here knows."""
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except (CommandError, ResolutionError) as error:
        return f"made by a newer gateway than this one ({error}); use that one, or another database"
    return None


def newest_revision() -> str | None:
    """The newest revision among the migrations."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
