from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.infrastructure.database import Database, DatabaseError, DatabaseInUseError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "gateway.db"


@pytest.fixture
def database(path: Path) -> Database:
    database = Database(path)
    database.prepare()
    return database


def test_preparing_creates_the_folder_and_a_private_file_in_wal_mode(database: Database, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(("durability", "synchronous"), [("power", 2), ("process", 1)])
def test_durability_is_the_synchronous_level_of_every_connection(tmp_path: Path, durability: str, synchronous: int) -> None:
    database = Database(tmp_path / "g.db", durability=durability)
    database.prepare()
    with closing(database.driver()) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)


def test_a_missing_database_is_an_error_and_not_a_new_one(tmp_path: Path) -> None:
    database = Database(tmp_path / "none.db")
    with pytest.raises(DatabaseError, match=r"none\.db"), database.read():
        pass
    with pytest.raises(DatabaseError):
        database.identity()
    assert not (tmp_path / "none.db").exists()


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    path.write_bytes(b"this is no database at all, but long enough to be asked" * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        Database(path).prepare()


def test_a_second_server_is_refused_and_commands_are_not(database: Database, path: Path) -> None:
    database.claim()
    other = Database(path)
    with pytest.raises(DatabaseInUseError, match=f"pid {os.getpid()}"):
        other.claim()
    with other.write() as connection:
        connection.execute(text("INSERT INTO marks VALUES ('by a command', x'00')"))
    database.release()
    other.claim()
    other.release()
    assert Database(path).identity() == database.identity()


def _claim_and_wait(path: Path, claimed: object) -> None:
    Database(path).claim()
    claimed.set()  # type: ignore[attr-defined]  # an Event of multiprocessing
    signal.pause()


def test_the_claim_of_a_killed_server_is_free_again(database: Database, path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    claimed = context.Event()
    process = context.Process(target=_claim_and_wait, args=(path, claimed))
    process.start()
    assert claimed.wait(30)
    with pytest.raises(DatabaseInUseError):
        database.claim()
    process.kill()
    process.join()
    database.claim()
    database.release()


def test_wiping_leaves_an_empty_write_ahead_log(database: Database, path: Path) -> None:
    with closing(database.driver()) as held:
        held.execute("INSERT INTO marks VALUES ('x', x'00')")
        wal = path.with_name(path.name + "-wal")
        assert wal.stat().st_size > 0
        assert database.wipe_freed()
        assert wal.stat().st_size == 0


def test_wiping_says_so_when_a_reader_keeps_the_log_busy(database: Database, path: Path) -> None:
    with closing(database.driver()) as reader, closing(database.driver()) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM marks").fetchall()
        writer.execute("INSERT INTO marks VALUES ('x', x'00')")
        assert not database.wipe_freed(wait_s=0.1)


def test_another_file_in_its_place_has_another_identity(database: Database, path: Path) -> None:
    before = database.identity()
    path.rename(path.with_suffix(".away"))
    database.prepare()
    assert database.identity() != before


def test_a_link_to_a_database_that_is_served_is_served_too(tmp_path: Path) -> None:
    served = Database(tmp_path / "gateway.db")
    served.prepare()
    (tmp_path / "link.db").symlink_to(tmp_path / "gateway.db")
    served.claim()
    try:
        with pytest.raises(DatabaseInUseError):
            Database(tmp_path / "link.db").claim()
    finally:
        served.release()
