from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import select

from gateway.infrastructure.database import Database
from gateway.infrastructure.database_schema import marks


def test_what_somebody_stored_as_text_is_not_taken_for_bytes(tmp_path: Path) -> None:
    database = Database(tmp_path / "g.db")
    database.prepare()
    with closing(database.driver()) as connection:
        connection.execute("INSERT INTO marks VALUES ('a', 'text'), (CAST(x'ff' AS TEXT), x'00')")
    with database.read() as connection:
        assert connection.execute(select(marks).order_by(marks.c.name)).all() == [("a", "text"), ("\udcff", b"\x00")]
