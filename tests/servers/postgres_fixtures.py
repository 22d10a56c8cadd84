"""Databases for tests: a file of SQLite always, and one of a real PostgreSQL where there is one (or GATEWAY_REQUIRE_SERVICES=1 demands it)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.postgres_server import Postgres, find_binaries, postgres

if TYPE_CHECKING:
    from gateway.settings import Secret

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.services)]


def binaries_or_skip() -> Path:
    """Where PostgreSQL is; skips the test where it is not, or fails it where it has to be."""
    found = find_binaries()
    if found is None:
        lacking = "PostgreSQL is not there: install Debian's postgresql, or set PG_BIN"
        if os.environ.get("GATEWAY_REQUIRE_SERVICES") == "1":
            pytest.fail(lacking)
        pytest.skip(lacking)
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server for the whole session."""
    with postgres(binaries_or_skip()) as server:
        yield server


@pytest.fixture(scope="session")
def _prepared(postgres_server: Postgres) -> str:
    from gateway.infrastructure.database import Database

    name = postgres_server.create()
    database = Database(secret(postgres_server.url(name)))
    database.prepare()
    database.release()
    return name


@pytest.fixture
def empty_postgres(postgres_server: Postgres) -> Iterator[Secret]:
    """The address of a database without any table."""
    name = postgres_server.create()
    yield secret(postgres_server.url(name))
    postgres_server.drop(name)


@pytest.fixture
def ready_postgres(postgres_server: Postgres, _prepared: str) -> Iterator[Secret]:
    """The address of a database with the current schema and nothing in it. It is emptied after the test: dropping one takes the server 0.1 s."""
    yield secret(postgres_server.url(_prepared))
    postgres_server.cut(_prepared)
    tables = "entries open_intents keys marks log_positions intents payloads tasks task_moves approvals announcements"
    postgres_server.admin("; ".join(f"DELETE FROM {table}" for table in tables.split()), _prepared)


@pytest.fixture(params=BOTH)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Path | Secret:
    """The address of a new database, in turn of both kinds."""
    found: Path | Secret = tmp_path / "gateway.db" if request.param == "sqlite" else request.getfixturevalue("ready_postgres")
    return found


Outage = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def outage(address: Path | Secret, request: pytest.FixtureRequest) -> Outage:
    """``with outage():`` the database is not there: its file is away, or its server cuts connections and takes no new ones."""

    @contextmanager
    def of_file(path: Path) -> Iterator[None]:
        away = path.with_suffix(".away")
        path.rename(away)
        yield
        away.rename(path)

    @contextmanager
    def of_server(server: Postgres, name: str) -> Iterator[None]:
        server.admin(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        server.cut(name)
        yield
        server.admin(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")

    if isinstance(address, Path):
        return lambda: of_file(address)
    server: Postgres = request.getfixturevalue("postgres_server")
    return lambda: of_server(server, address.text().rpartition("/")[2])


def secret(url: str) -> Secret:
    """A URL as the config hands it on."""
    from gateway.settings import Secret

    return Secret(url.encode(), "env:DATABASE_URL")
