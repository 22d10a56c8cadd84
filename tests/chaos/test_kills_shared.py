"""Two gateways on one PostgreSQL: ``kill -9`` of either under load, of the database's connections, and of the database itself."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import uvloop

from tests.chaos.conftest import StartProvider
from tests.chaos.crowd import SCRIPT, Crowd, compare, started, verify
from tests.chaos.ledger import Ledger, disagreement
from tests.chaos.seen import read
from tests.servers.postgres_fixtures import binaries_or_skip
from tests.servers.postgres_server import Postgres, postgres
from tests.stage import Server, Stage, build

pytestmark = pytest.mark.services

ROUNDS = int(os.environ.get("GATEWAY_CHAOS_SHARED_ROUNDS", "8"))
CLIENTS = 120
IN_FLIGHT = 100
"""Of each gateway."""


@pytest.fixture(scope="module")
def durable_postgres() -> Iterator[Postgres]:
    with postgres(binaries_or_skip(), durable=True) as server:
        yield server


@pytest.fixture
def stages(tmp_path: Path, durable_postgres: Postgres, start_provider: StartProvider) -> list[Stage]:
    url = durable_postgres.url(durable_postgres.create())
    one = build(tmp_path, upstream=start_provider(SCRIPT), url=url)
    return [one, one.twin()]


async def load(crowds: Sequence[Crowd], draw: random.Random, deed: Callable[[], None]) -> None:
    """Let the crowds call, do something at a random moment with enough calls in flight, and let those who can finish."""
    clients = [asyncio.ensure_future(crowd.call_on(stream=number % 2 == 0)) for crowd in crowds for number in range(CLIENTS)]
    await asyncio.sleep(0.2 + draw.random() * 0.9)
    for _ in range(600):
        if all(crowd.in_flight >= IN_FLIGHT for crowd in crowds):
            break
        await asyncio.sleep(0.005)
    assert all(crowd.in_flight >= IN_FLIGHT for crowd in crowds)
    await asyncio.to_thread(deed)
    for crowd in crowds:
        crowd.leaving = True
    await asyncio.gather(*clients)


def crowds_for(stages: Sequence[Stage], draw: random.Random, serial: int) -> list[Crowd]:
    return [Crowd(key=stage.key, port=stage.port, draw=draw, serial=serial + 1_000_000 * number) for number, stage in enumerate(stages)]


def settled(ledger: Ledger, within_s: float = 20.0) -> None:
    """Wait until every intent has an end."""
    deadline = time.monotonic() + within_s
    while True:
        ledger.read_on()
        if not ledger.left_open():
            return
        assert time.monotonic() < deadline, f"{len(ledger.left_open())} intents stay open"
        time.sleep(0.1)


def kill_all(gateways: Sequence[Server]) -> None:
    for gateway in gateways:
        gateway.kill()


@pytest.mark.parametrize("seed", [int(os.environ.get("GATEWAY_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)])
def test_every_answer_of_two_gateways_is_on_record_after_a_kill_of_either(seed: int, stages: list[Stage]) -> None:
    draw, ledger, tally, serial = random.Random(seed), Ledger(stages[0].url or ""), Counter[str](), 0
    gateways = [started(stage) for stage in stages]
    try:
        for _ in range(ROUNDS):
            crowds = crowds_for(stages, draw, serial)
            victims = draw.choice(([0], [1], [0], [1], [0, 1]))
            uvloop.run(load(crowds, draw, partial(kill_all, [gateways[victim] for victim in victims])))
            serial += max(crowd.serial % 1_000_000 for crowd in crowds)
            if len(victims) == 1 and draw.random() < 0.5:
                settled(ledger)  # by the one that lives, while the other is gone
            for victim in victims:
                gateways[victim] = started(stages[victim])
            settled(ledger)
            logs = [(stream, read(answer)) for crowd in crowds for stream, answer in crowd.answers]
            assert {seen.status for _, seen in logs} <= {0, 200}
            compare(logs, ledger, tally)
        verify(stages[0])
    finally:
        for gateway in gateways:
            gateway.stop()
    print(dict(sorted(tally.items())))
    for expected in ("plain seen complete, on record completed", "stream seen complete, on record completed", "stream seen in part, on record indeterminate"):
        assert tally[expected] > 0, tally
    verify(stages[0])


def crash(server: Postgres) -> None:
    """As if the database's machine had lost its power, and was back at once."""
    server.stop(signal.SIGQUIT)
    server.start()


def kill_a_backend(server: Postgres) -> None:
    """``kill -9`` of the process that serves one connection: the server ends all others, and recovers as after a crash."""
    os.kill(int(server.admin("SELECT pid FROM pg_stat_activity WHERE usename = 'gateway' LIMIT 1")), signal.SIGKILL)


def hang(server: Postgres) -> None:
    """A stop of the whole server for longer than anybody waits for it."""
    pids = [int(pid) for pid in server.admin("SELECT pid FROM pg_stat_activity WHERE usename = 'gateway'").split()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(8)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def cut(server: Postgres) -> None:
    """Every connection ends, and the server goes on."""
    server.cut("gateway_%")


def test_what_clients_saw_complete_is_on_record_whatever_the_database_does(stages: list[Stage], durable_postgres: Postgres) -> None:
    draw, ledger, serial = random.Random(7), Ledger(stages[0].url or ""), 0
    gateways = [started(stage) for stage in stages]
    try:
        for deed in (crash, cut, kill_a_backend, hang):
            crowds = crowds_for(stages, draw, serial)
            serial += 100_000
            uvloop.run(load(crowds, draw, partial(deed, durable_postgres)))
            for stage, gateway in zip(stages, gateways, strict=True):
                gateway.wait_ready(stage.port)
            settled(ledger)
            logs = [read(answer) for crowd in crowds for _, answer in crowd.answers]
            wrong = [problem for seen in logs if seen.finished and (problem := disagreement(seen, ledger)) is not None]
            assert not wrong, wrong[:10]
            assert {seen.status for seen in logs} <= {200, 503}
        crowds = crowds_for(stages, draw, serial)
        uvloop.run(load(crowds, draw, partial(kill_all, ())))
        assert {read(answer).status for crowd in crowds for _, answer in crowd.answers} == {200}
    finally:
        for gateway in gateways:
            gateway.stop()
    settled(ledger)
    assert not ledger.ends_twice()
    verify(stages[0])
