"""Every decision arrives, whatever fails on the way, and what arrives twice has one id."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.capabilities.decision_log.delivery import ServerDelivery
from gateway.capabilities.decision_log.follower import Follower, FollowerOptions
from gateway.capabilities.decision_log.masking import Masker
from gateway.infrastructure.database_log import Chain, LogCursor
from gateway.infrastructure.log_client import LogClient
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.testing import ALLOW_ALL, LocalGateway, local_gateway
from tests.capabilities.decision_log.log_server import LogServer, log_server

MASK_ALL = 'package system.log\n\nimport rego.v1\n\nmask contains "/input"\n'
BAD_MASK = 'package system.log\n\nimport rego.v1\n\nmask := "no list"\n'


async def until(true: Callable[[], bool]) -> None:
    for _ in range(4_000):
        if true():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not happen")


@asynccontextmanager
async def logging_to(folder: Path, where: str, policies: Path | Mapping[str, str] = ALLOW_ALL) -> AsyncIterator[LocalGateway]:
    changes = {"records: {": f"decision_log: {{{where}, poll_s: 0.05}}\nrecords: {{"}
    async with local_gateway(folder, changes=changes, policies=policies) as local:
        yield local


def metric(local: LocalGateway, name: str) -> float:
    lines = local.gateway.services.metrics.render()[0].decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


async def test_each_decision_arrives_at_the_server(tmp_path: Path, receiver: LogServer) -> None:
    async with logging_to(tmp_path, f"url: '{receiver.url}'") as local:
        for _ in range(5):
            await local.ask("hello")
        await until(lambda: len(receiver.events) == 10 and metric(local, "gateway_decision_log_behind") == 0)
        assert metric(local, "gateway_decision_log_events_total") == 10
    assert len(set(receiver.ids)) == 10
    assert sorted({event["path"] for event in receiver.events}) == ["gateway/answer/verdict", "gateway/intent/verdict"]
    assert {event["labels"]["tenant"] for event in receiver.events} == {"acme"}
    assert all(event["trace_id"] and event["requested_by"] for event in receiver.events)


async def test_each_decision_arrives_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    async with logging_to(tmp_path, "file: decisions.jsonl") as local:
        await local.ask("hello")
        await until(lambda: path.exists() and len(path.read_text().splitlines()) == 2)
        assert (await local.get("/readyz")).status == 200
    assert [json.loads(line)["result"]["outcome"] for line in path.read_text().splitlines()] == ["allow", "allow"]


@pytest.mark.parametrize("behaviour", [500, "hang", "cut", 429])
async def test_a_receiver_that_fails_gets_everything_later(tmp_path: Path, receiver: LogServer, behaviour: int | str) -> None:
    receiver.behave = [behaviour, behaviour]
    async with logging_to(tmp_path, f"url: '{receiver.url}', batch: 3") as local:
        assert [(await local.ask("hello")).status for _ in range(5)] == [200] * 5
        await until(lambda: len(set(receiver.ids)) == 10)
        assert behaviour == "hang" or metric(local, "gateway_decision_log_failures_total") >= 1


async def test_an_outage_is_counted_bothers_nobody_and_loses_nothing(tmp_path: Path) -> None:
    with log_server() as server:
        port = server.port
    async with logging_to(tmp_path, f"url: 'http://127.0.0.1:{port}/logs'") as local:
        assert [(await local.ask("hello")).status for _ in range(5)] == [200] * 5
        await until(lambda: metric(local, "gateway_decision_log_behind") >= 10 and metric(local, "gateway_decision_log_failures_total") > 0)
        assert (await local.get("/readyz")).status == 200
        with log_server(port) as server:
            await until(lambda: len(set(server.ids)) == 10)
            await until(lambda: metric(local, "gateway_decision_log_behind") == 0)
    assert len(server.ids) == 10


async def test_a_gateway_that_starts_again_goes_on_where_it_stopped(tmp_path: Path, receiver: LogServer) -> None:
    where = f"url: '{receiver.url}'"
    async with logging_to(tmp_path, where) as local:
        await local.ask("hello")
        await until(lambda: len(receiver.events) == 2 and metric(local, "gateway_decision_log_behind") == 0)
        settled = len(receiver.events)
    from_before = set(receiver.ids)
    async with logging_to(tmp_path, where, tmp_path / "policies") as local:
        await local.ask("hello")
        await until(lambda: len(set(receiver.ids)) == 4)
    assert settled == 2
    assert from_before < set(receiver.ids)


@pytest.mark.parametrize(("mask", "stripped"), [(MASK_ALL, 0), (BAD_MASK, 2)])
async def test_the_policys_masks_are_honoured(tmp_path: Path, receiver: LogServer, mask: str, stripped: int) -> None:
    async with logging_to(tmp_path, f"url: '{receiver.url}'", {**ALLOW_ALL, "log.rego": mask}) as local:
        await local.ask("hello")
        await until(lambda: len(receiver.events) == 2)
        await until(lambda: metric(local, "gateway_decision_log_stripped_total") == stripped)
    assert all("input" not in event for event in receiver.events)
    assert all(("result" in event) == (stripped == 0) for event in receiver.events)


class StopsBeforeTheNote(LogCursor):
    """Loses its process between the delivery and the note of how far it came, so often."""

    times = 2

    def advance(self, chain: Chain, seq: int) -> None:
        if self.times:
            self.times -= 1
            raise OSError("gone")
        super().advance(chain, seq)


async def test_what_is_handed_over_twice_has_one_id(tmp_path: Path, receiver: LogServer) -> None:
    async with local_gateway(tmp_path) as local:
        await local.ask("hello")
        options = FollowerOptions(tenants=("acme", "globex"), poll_s=0.02)
        client = ServerDelivery(LogClient(receiver.url))
        follower = Follower(options, StopsBeforeTheNote(local.gateway.database), Masker(lambda: None), client, Metrics())
        follower.start()
        await until(lambda: len(receiver.events) == 6)
        await follower.close()
    assert len(set(receiver.ids)) == 2
    first, again = receiver.events[:2], receiver.events[2:4]
    assert first == again


async def test_a_damaged_entry_is_counted_and_keeps_nobody_up(tmp_path: Path, receiver: LogServer) -> None:
    async with local_gateway(tmp_path) as local:
        await local.ask("hello")
        with local.gateway.database.write() as connection:
            connection.exec_driver_sql('UPDATE entries SET body = replace(CAST(body AS TEXT), \'"hook":"intent"\', \'"hook":"other"\') WHERE kind = \'opened\'')
            connection.exec_driver_sql("UPDATE entries SET body = CAST(body AS BLOB)")
        metrics = Metrics()
        client = ServerDelivery(LogClient(receiver.url))
        follower = Follower(FollowerOptions(tenants=("acme",)), LogCursor(local.gateway.database), Masker(lambda: None), client, metrics)
        while await follower.step():
            pass
        await follower.close()
    assert [event["path"] for event in receiver.events] == ["gateway/answer/verdict"]
    assert 'gateway_decision_log_stripped_total{reason="damaged"} 1.0' in metrics.render()[0].decode()


@pytest.mark.parametrize("after", [1, 2])
async def test_a_gateway_that_is_killed_loses_no_decision(tmp_path: Path, after: int) -> None:
    """A process that follows is killed at its ``after``-th batch, before it can note how far it came; the next one goes on."""
    async with local_gateway(tmp_path) as local:
        for _ in range(6):
            await local.ask("hello")
    with log_server() as server:
        script = (
            "import asyncio, os, sys\nfrom pathlib import Path\n"
            "from gateway.capabilities.decision_log.delivery import ServerDelivery\n"
            "from gateway.capabilities.decision_log.follower import Follower, FollowerOptions\n"
            "from gateway.capabilities.decision_log.masking import Masker\n"
            "from gateway.infrastructure.database import Database\nfrom gateway.infrastructure.database_log import LogCursor\n"
            "from gateway.infrastructure.log_client import LogClient\nfrom gateway.infrastructure.telemetry.metrics import Metrics\n"
            "class Cursor(LogCursor):\n    left = int(sys.argv[3])\n"
            "    def advance(self, chain, seq):\n        self.left -= 1\n        if not self.left:\n            os.kill(os.getpid(), 9)\n"
            "        super().advance(chain, seq)\n"
            "async def main():\n    database = Database(Path(sys.argv[1]), durability='process')\n"
            "    options = FollowerOptions(tenants=('acme',), batch=4, poll_s=0.02)\n"
            "    follower = Follower(options, Cursor(database), Masker(lambda: None), ServerDelivery(LogClient(sys.argv[2])), Metrics())\n"
            "    while await follower.step():\n        pass\n    await follower.close()\n"
            "asyncio.run(main())\n"
        )

        def follow(times: int) -> int:
            command = [sys.executable, "-c", script, str(tmp_path / "gateway.db"), server.url, str(times)]
            return subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}).returncode

        assert await asyncio.to_thread(follow, after) == -signal.SIGKILL
        killed = list(server.ids)
        assert await asyncio.to_thread(follow, 1_000) == 0
    assert len(set(server.ids)) == 12
    assert len(server.ids) > 12
    assert set(killed) <= set(server.ids)
