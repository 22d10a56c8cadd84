"""Gateways with very many parked intents in their database, and without any: on SQLite, and on PostgreSQL where there is one."""

from __future__ import annotations

import http.client
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import orjson

from gateway.domain import Json
from gateway.infrastructure.database import Database
from gateway.settings import load
from tests.benchmarks.parked_rows import NUMBER, fill
from tests.benchmarks.workloads import prompt
from tests.servers.postgres_server import Postgres, find_binaries, postgres
from tests.stage import TEAM, TENANT, Stage, build, free_port

HELD_ROUTE = "payments"
"""The route whose intents the shipped policy leaves to a person."""
QUEUE = "approvals"
"""The queue that it names for them."""
CHAT = "/v1/chat/completions"
_QUEUES = (QUEUE, *(f"desk{number}" for number in range(1, 10)))
_KEY = re.compile(r"gw_[A-Za-z0-9]+_[A-Za-z0-9]+")
_TIMEOUT_S = 60.0


class Client:
    """One keep-alive connection to a gateway, with a key."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def ask(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> tuple[Json, Mapping[str, str]]:
        """The answer, and its headers by their names in lower case.

        Raises:
            RuntimeError: It is none of status 200.
        """
        self._connection.request(method, path, body, {**self._headers, **(headers or {})})
        answer = self._connection.getresponse()
        read = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path} was answered with {answer.status}: {read[:500].decode(errors='replace')}")
        return orjson.loads(read), {name.lower(): value for name, value in answer.getheaders()}

    def __enter__(self) -> Self:
        """Connect with the first request."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A gateway's stages over one database, more than one where processes can share it, and the key of a person who decides."""

    stages: tuple[Stage, ...]
    reviewer: str

    @property
    def stage(self) -> Stage:
        """The first."""
        return self.stages[0]

    def caller(self, at: int = 0) -> Client:
        """A connection with the caller's key."""
        return Client(self.stages[at].port, self.stage.key)

    def person(self) -> Client:
        """A connection with the reviewer's."""
        return Client(self.stage.port, self.reviewer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same gateway twice: with parked intents, and with none."""

    parked: Office
    empty: Office


def held_prompt(number: str) -> str:
    """A call that waits for a person."""
    return prompt(number, stream=False, route=HELD_ROUTE)


@contextmanager
def pairs(folder: Path, upstream: int, collector: int, count: int) -> Iterator[dict[str, Pair]]:
    """By database: its gateways, with ``count`` parked intents and with none. None of them runs yet."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        binaries = find_binaries()
        server = None if binaries is None else stack.enter_context(postgres(binaries, durable=True))
        with ThreadPoolExecutor(2) as pool:
            made = {"SQLite": pool.submit(_pair, folder / "sqlite", upstream, collector, None)}
            if server is not None:
                made["PostgreSQL"] = pool.submit(_pair, folder / "postgres", upstream, collector, server)
            found = {name: future.result() for name, future in made.items()}
        with ProcessPoolExecutor(len(found)) as processes:
            list(processes.map(_fill, [pair.parked.stage for pair in found.values()], [count] * len(found)))
        yield found


def _pair(folder: Path, upstream: int, collector: int, server: Postgres | None) -> Pair:
    folder.mkdir()
    name = None if server is None else server.create()
    stage = _built(folder, upstream, collector, None if server is None or name is None else server.url(name))
    printed = stage.run("keys", "create", "--tenant", TENANT, "--name", "reviewer", "--team", TEAM, "--role", "reviewer").stdout
    key = _KEY.search(printed)
    if key is None:
        raise RuntimeError(f"gateway keys create printed no key: {printed}")
    config = stage.config.with_name("empty.yaml")
    port, heads = free_port(), f"{stage.folder}/heads"
    text = stage.config.read_text().replace(f"listen: 127.0.0.1:{stage.port}", f"listen: 127.0.0.1:{port}").replace(f"heads: {heads}", f"heads: {heads}-empty")
    if server is None or name is None:
        shutil.copy(stage.database, folder / "empty.db")
        text = text.replace(f"database: {stage.database}", f"database: {folder}/empty.db")
    else:
        url = folder / "secrets" / "empty_url"
        url.touch(mode=0o600)
        url.write_text(server.url(server.create(name)))
        text = text.replace("database: file:secrets/database_url", "database: file:secrets/empty_url")
    config.write_text(text)
    stages = (stage,) if server is None else (stage, stage.twin())
    empty = replace(stage, config=config, port=port)
    return Pair(parked=Office(stages=stages, reviewer=key[0]), empty=Office(stages=(empty,), reviewer=key[0]))


def _built(folder: Path, upstream: int, collector: int, url: str | None) -> Stage:
    """A stage with queues, a key for payloads, and a route whose intents are held."""
    stage = build(folder, upstream=upstream, collector=collector, url=url)
    text = stage.config.read_text()
    text = text.replace("    placeholder_key:", "    payload_key: file:secrets/acme_payload\n    placeholder_key:", 1)
    text = text.replace("routes:\n", f"routes:\n  {HELD_ROUTE}: {{target: simulated}}\n", 1)
    stage.config.write_text(text + "queues:\n" + "".join(f"  {queue}: {{}}\n" for queue in _QUEUES))
    done = stage.run("init")
    if done.returncode:
        raise RuntimeError(f"gateway init failed ({done.returncode}): {done.stderr or done.stdout}")
    made = stage.run("keys", "create", "--tenant", TENANT, "--name", "caller", "--team", TEAM)
    key = _KEY.search(made.stdout)
    if key is None:
        raise RuntimeError(f"gateway keys create printed no key: {made.stdout}{made.stderr}")
    return replace(stage, key=key[0])


def _fill(stage: Stage, count: int) -> None:
    """One intent that a gateway has parked, and as many copies of it."""
    server = stage.gateway()
    try:
        server.wait_ready(stage.port)
        with Client(stage.port, stage.key) as caller:
            _, headers = caller.ask("POST", CHAT, held_prompt(NUMBER), {"x-gateway-wait": "0"})
    finally:
        server.stop()
    settings = load(stage.config)
    database = Database(settings.database, durability="process")
    try:
        fill(settings, database, TENANT, headers["x-gateway-record"], count)
    finally:
        database.release()
