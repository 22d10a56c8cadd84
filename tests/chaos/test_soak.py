"""A soak: many mixed calls on one gateway while policies change. Nothing is left over, nothing is lost, and no call meets a defect of the gateway."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import uvloop

from gateway.domain import Json
from tests.benchmarks.measure import open_files, rss_mb
from tests.chaos.conftest import StartProvider
from tests.chaos.ledger import Ledger
from tests.chaos.mixture import MAYBE, NOT_ON_RECORD, ON_RECORD, SCRIPT, Kind, draw_kinds
from tests.chaos.seen import Seen, read
from tests.chaos.wire import Wire, request
from tests.stage import ROOT, TENANT, Stage, build, get

CALLS = 20_000
WARM_UP = 3_000
CLIENTS = 32
SPARE_FILES = 48
"""Connections to the provider and the database that may have been added since the warm-up."""
SPARE_MIB = 48.0
"""What bounded memos and the allocator may have added since the warm-up: 17,000 calls that left 4 KiB each would be over it."""


@dataclass(slots=True)
class Soak:
    """The clients, and what became of their calls."""

    key: str
    port: int
    kinds: Iterator[Kind]
    serial: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    wrong: list[str] = field(default_factory=list)
    records: set[str] = field(default_factory=set)
    unnamed: int = 0
    """Calls that may be on record though their client never learned of it."""
    tally: Counter[str] = field(default_factory=Counter)

    async def client(self) -> None:
        """One client after another call, on one connection as long as nobody closes it."""
        wire: Wire | None = None
        for kind in self.kinds:
            wire = wire or await Wire.connect(self.port)
            seen, stays = await self._call(wire, kind)
            self._judge(kind, seen)
            if not stays:
                wire.close()
                wire = None
        if wire is not None:
            wire.close()

    async def _call(self, wire: Wire, kind: Kind) -> tuple[Seen, bool]:
        wire.send(request(kind.key or self.key, kind.body(next(self.serial))))
        if kind.leaves:
            await (wire.head() if kind.leaves == "head" else asyncio.sleep(0.06))
            wire.close()
        answer = await wire.answer()
        return read(answer), answer.whole and b"\r\nconnection: close" not in answer.raw[:2_000].lower()

    def _judge(self, kind: Kind, seen: Seen) -> None:
        self.tally[kind.name] += 1
        if seen.record is not None:
            self.records.add(seen.record)
        else:
            self.unnamed += kind.record == MAYBE
        if seen.record is None if kind.record == ON_RECORD else kind.record == NOT_ON_RECORD and seen.record is not None:
            self.wrong.append(f"{kind.name}: has to be {kind.record}: {seen}")
        if not kind.leaves and (seen.status not in kind.status or (seen.error is not None) != kind.error or seen.complete == kind.error):
            self.wrong.append(f"{kind.name}: {seen}")

    async def run(self) -> None:
        """All clients until the calls are used up."""
        await asyncio.gather(*(self.client() for _ in range(CLIENTS)))


async def reload_policies(folder: Path, port: int, seen: Counter[str]) -> None:
    """Edit the policies again and again, now and then so that they do not compile; every state of readiness that shows is counted."""
    file = folder / "access.rego"
    good = file.read_text()
    try:
        for number in itertools.count():
            file.write_text(good + ("\nnot rego {{{\n" if number % 3 == 2 else f"\n# edit {number}\n"))
            for _ in range(4):
                await asyncio.sleep(0.5)
                report = await asyncio.to_thread(readiness, port)
                seen[report["status"]] += 1
                seen[f"revision {report['policy']['revision']}"] += 1
    finally:
        file.write_text(good)


def readiness(port: int) -> Json:
    """The report of ``/readyz``."""
    report: Json = orjson.loads(get(port, "/readyz")[1])
    return report


def in_flight(port: int) -> float:
    """The gauge of running intents."""
    found = re.search(r"^gateway_intents_in_flight (\S+)", get(port, "/metrics")[1].decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def until_idle(port: int) -> float:
    """The gauge of running intents when it is 0, or after ten seconds: streams whose client left end soon, not at once."""
    deadline = time.monotonic() + 10
    while (running := in_flight(port)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return running


async def soak(calls: Soak, policies: Path) -> Counter[str]:
    """The calls, with policies changing meanwhile; the states of readiness that were seen."""
    states: Counter[str] = Counter()
    reloading = asyncio.ensure_future(reload_policies(policies, calls.port, states))
    try:
        await calls.run()
    finally:
        reloading.cancel()
    return states


def check_records(stage: Stage, soaks: tuple[Soak, ...]) -> None:
    """As many records as calls, each with one end, and chains that hold."""
    ledger = Ledger(stage.database)
    ledger.read_on()
    named = set().union(*(calls.records for calls in soaks))
    assert not ledger.left_open()
    assert not ledger.ends_twice()
    assert named <= ledger.opened
    assert len(ledger.opened - named) <= sum(calls.unnamed for calls in soaks)
    verified = stage.run("records", "verify", "--tenant", TENANT)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_soak_leaves_nothing_over_and_loses_nothing(tmp_path: Path, start_provider: StartProvider) -> None:
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", policies)
    stage = build(tmp_path, upstream=start_provider(SCRIPT), policies=policies)
    kinds = draw_kinds(random.Random(20), CALLS)
    warm_up = Soak(key=stage.key, port=stage.port, kinds=iter(kinds[:WARM_UP]))
    main = Soak(key=stage.key, port=stage.port, kinds=iter(kinds[WARM_UP:]), serial=itertools.count(WARM_UP))
    gateway = stage.gateway()
    try:
        gateway.wait_ready(stage.port)
        uvloop.run(warm_up.run())
        assert until_idle(stage.port) == 0
        files, memory = open_files(gateway.pid), rss_mb(gateway.pid)
        states = uvloop.run(soak(main, policies))
        assert until_idle(stage.port) == 0
        more_files, more_mib = open_files(gateway.pid) - files, rss_mb(gateway.pid) - memory
        print(f"{more_files} more files, {more_mib:.1f} MiB more, readiness {dict(states)}")
    finally:
        exit_code = gateway.stop()
    wrong = warm_up.wrong + main.wrong
    assert not wrong, f"{len(wrong)} of {CALLS}:\n" + "\n".join(wrong[:10])
    assert sum((warm_up.tally + main.tally).values()) == CALLS
    assert exit_code in {0, -15}
    assert "crashed" not in gateway.output()
    assert more_files <= SPARE_FILES
    assert more_mib <= SPARE_MIB
    assert states["ready"] > 0
    assert states["degraded"] > 0
    assert states["unready"] == 0
    assert sum(name.startswith("revision") for name in states) >= 3
    check_records(stage, (warm_up, main))
