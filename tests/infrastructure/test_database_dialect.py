from __future__ import annotations

import pytest
from sqlalchemy import exc

from gateway.infrastructure.database_dialect import DatabaseError, Dialect
from gateway.infrastructure.database_postgres import PostgresDialect
from gateway.infrastructure.database_sqlite import SqliteDialect
from gateway.settings import Secret

URL = Secret(b"postgresql://gateway:correct-horse@db.example.com:6432/records", "env:DATABASE_URL")


@pytest.fixture(params=["sqlite", "postgres"])
def dialect(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dialect:
    return PostgresDialect(URL, "power") if request.param == "postgres" else SqliteDialect(tmp_path_factory.mktemp("d") / "g.db", "power")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exc.TimeoutError("QueuePool limit reached"), "TimeoutError"),
        (OSError("no space left"), "no space left"),
        (UnicodeEncodeError("utf-8", "jane\udcff", 4, 5, "surrogates not allowed"), "no Unicode"),
    ],
)
def test_whatever_fails_leaves_as_an_error_that_says_where(dialect: Dialect, error: Exception, said: str) -> None:
    with pytest.raises(DatabaseError, match=said) as caught, dialect.wrapped():
        raise error
    assert str(caught.value).startswith(dialect.place)
    assert "jane" not in str(caught.value)


def test_what_the_driver_raises_leaves_in_its_words(dialect: Dialect) -> None:
    with pytest.raises(DatabaseError, match="it is busy"), dialect.wrapped():
        raise dialect.failures[0]("it is busy")


def test_what_sqlalchemy_wraps_is_told_in_the_words_of_the_driver(dialect: Dialect) -> None:
    inner = dialect.failures[0]("it is busy")
    with pytest.raises(DatabaseError, match="it is busy"), dialect.wrapped():
        raise exc.OperationalError("SELECT 'jane@example.com'", {"name": "jane"}, inner)
