"""A real PostgreSQL for the length of a test session: in a temporary folder, on a free port of the loopback, never as root (it refuses to run so)."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

USER, PASSWORD = "gateway", "open sesame/it's #1@home"
_QUOTED = "open%20sesame%2Fit%27s%20%231%40home"
_ADMIN = "postgres"
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SMALL = ("shared_buffers=32MB", "max_connections=100", "wal_level=minimal", "max_wal_senders=0", "log_checkpoints=off")


@dataclass(kw_only=True)
class Postgres:
    """A server, running unless it was stopped or killed. Passwords are asked for over TCP, so that a wrong one is refused."""

    binaries: Path
    folder: Path
    port: int
    options: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = field(default=None)
    _made: int = field(default=0)

    def url(self, database: str, password: str = _QUOTED) -> str:
        """Where a database is, for the gateway's config."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = (*_SMALL, *self.options, f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}")
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *(part for one in settings for part in ("-c", one))]
        with (self.folder / "log").open("ab") as log:
            who = _other_user()
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, env=_ENV, user=who, group=who and pwd.getpwuid(who).pw_gid
            )
        deadline = time.monotonic() + 60
        while subprocess.run([self.binaries / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)], check=False).returncode:
            assert self.process.poll() is None, f"PostgreSQL ended: {self.log()}"
            assert time.monotonic() < deadline, f"PostgreSQL takes no connections: {self.log()}"
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: by default after rolling back what runs; with SIGQUIT as if the power had gone, and every connection cut."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None

    def create(self, template: str = "template0") -> str:
        """A new database, a copy of ``template``; its name."""
        self._made += 1
        name = f"gateway_{self._made}"
        self.admin(f"CREATE DATABASE {name} OWNER {USER} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def cut(self, name: str) -> None:
        """End every connection to a database, or to all whose names match a pattern, and wait until they are gone."""
        self.admin(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname LIKE '{name}' AND pid <> pg_backend_pid()")

    def admin(self, sql: str, database: str = "postgres") -> str:
        """What the superuser gets for one statement: rows as lines, columns separated by ``|``."""
        command = [
            str(self.binaries / "psql"),
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-U",
            _ADMIN,
            "-d",
            database,
            "-v",
            "ON_ERROR_STOP=1",
            "-qAtX",
            "-c",
            sql,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_ENV)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self) -> str:
        """The end of what it said."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]


_ENV = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def find_binaries() -> Path | None:
    """``PG_BIN``, else Debian's folder of the newest version, else where ``postgres`` is on PATH."""
    if named := os.environ.get("PG_BIN"):
        return Path(named)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


@contextmanager
def postgres(binaries: Path, *, durable: bool = False) -> Iterator[Postgres]:
    """A running server. It reaches the disk only where ``durable``: unit tests have nothing to lose."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    server = Postgres(binaries=binaries, folder=folder, port=_free_port(), options=() if durable else _QUICK)
    try:
        _initialise(server)
        server.start()
        server.admin(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder)


def _initialise(server: Postgres) -> None:
    who = _other_user()
    if who:
        os.chown(server.folder, who, -1)
    options = ["--username", _ADMIN, "--encoding", "UTF8", "--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync"]
    command = [str(server.binaries / "initdb"), "-D", str(server.folder / "data"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=server.folder, env=_ENV, user=who, group=who and pwd.getpwuid(who).pw_gid)
    assert done.returncode == 0, done.stderr


def _other_user() -> int | None:
    """Who runs it where the tests run as root: ``postgres``, else ``nobody``. ``None`` is whoever runs the tests."""
    if os.geteuid():
        return None
    names = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
