"""``kill -9`` of gateways under load, with a receiver that fails now and then: every decision on record arrives, and none under two ids."""

from __future__ import annotations

import contextlib
import os
import random
import time
from functools import partial
from pathlib import Path

import orjson
import pytest
import uvloop

from gateway.capabilities.decision_log.events import events_of
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import EntryRow
from gateway.infrastructure.database_log import LogCursor
from gateway.settings import Secret
from tests.capabilities.decision_log.log_server import LogServer, log_server
from tests.chaos.conftest import StartProvider
from tests.chaos.crowd import SCRIPT, started
from tests.chaos.test_kills_shared import crowds_for, kill_all, load
from tests.servers.postgres_fixtures import BOTH, binaries_or_skip
from tests.servers.postgres_server import postgres
from tests.stage import TENANT, Stage, build

ROUNDS = int(os.environ.get("GATEWAY_CHAOS_LOG_ROUNDS", "4"))


def expected(database: Database) -> set[str]:
    """The ids of all decisions on record."""
    cursor, ids = LogCursor(database), set[str]()
    with database.read(patient=True) as connection:
        rows = [EntryRow(*row) for row in connection.exec_driver_sql("SELECT * FROM entries").fetchall()]
    for row in rows:
        ids.update(event["decision_id"] for event in events_of(row, lambda _: {}))
    cursor.close()
    return ids


def arrived(server: LogServer, database: Database, within_s: float = 60.0) -> None:
    """Wait until the receiver has what is on record, and it is the same."""
    deadline = time.monotonic() + within_s
    while (missing := expected(database) - set(server.ids)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not missing, f"{len(missing)} decisions did not arrive"
    assert set(server.ids) == expected(database)


@pytest.mark.services
@pytest.mark.parametrize("kind", BOTH)
def test_every_decision_arrives_whatever_is_killed(kind: str, tmp_path: Path, start_provider: StartProvider) -> None:
    draw = random.Random(7)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(log_server())
        url = None
        if kind != "sqlite":
            there = stack.enter_context(postgres(binaries_or_skip(), durable=True))
            url = there.url(there.create())
        one = build(tmp_path, upstream=start_provider(SCRIPT), url=url)
        one.config.write_text(one.config.read_text() + f"decision_log: {{url: '{server.url}', batch: 50, poll_s: 0.05}}\n")
        stages: list[Stage] = [one] if url is None else [one, one.twin()]
        database = Database(one.database if url is None else Secret(url.encode(), url))
        gateways = [started(stage) for stage in stages]
        stack.callback(lambda: [gateway.stop() for gateway in gateways])
        for number in range(ROUNDS):
            server.behave = draw.choices([500, "cut", 204, 204], k=20)
            victim = draw.randrange(len(stages))
            uvloop.run(load(crowds_for(stages, draw, number * 100_000), draw, partial(kill_all, [gateways[victim]])))
            gateways[victim] = started(stages[victim])
        server.behave = []
        arrived(server, database)
    first: dict[str, bytes] = {}
    for event in server.events:
        assert first.setdefault(event["decision_id"], orjson.dumps(event)) == orjson.dumps(event)
    assert len(first) > 100
    assert {event["labels"]["tenant"] for event in server.events} == {TENANT}
