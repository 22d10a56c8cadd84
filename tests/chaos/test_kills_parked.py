"""``kill -9`` while intents wait for people, go on and end: nothing that was told, decided or made is lost, changed or done twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from tests.chaos import parked_checks
from tests.chaos.callers import call_on
from tests.chaos.crowd import verify
from tests.chaos.nursery import Fork, Nursery, log_of, nursery
from tests.chaos.parked_book import Book
from tests.chaos.parked_stage import REFUSED_ROUTE, SCRIPT, People, build_people
from tests.chaos.reviewers import review_on
from tests.chaos.storm import Storm
from tests.servers.postgres_fixtures import binaries_or_skip
from tests.servers.postgres_server import Postgres, postgres
from tests.stage import Server, free_port

KILLS = int(os.environ.get("GATEWAY_CHAOS_PARKED_KILLS", "50"))
"""Of each variant."""
ENOUGH = 30
"""Kills that meet intents in every state."""
CALLERS = 40
SETTLED_S = 90.0
AIMED = 0.65
"""The share of kills that follow a decision."""
SEEDS = [int(os.environ.get("GATEWAY_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)]


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[int]:
    """The port of a simulated provider that writes down every request."""
    script, port = tmp_path / "provider.yaml", free_port()
    script.write_text(SCRIPT)
    command = ["gateway", "simulate", "--script", str(script), "--listen", f"127.0.0.1:{port}", "--log", str(_requests(tmp_path))]
    server = Server(command, log=tmp_path / "provider.log")
    server.wait_ready(port, "/v1/models")
    yield port
    server.stop()


def _requests(folder: Path) -> Path:
    return folder / "provider.jsonl"


@pytest.fixture(scope="module")
def postgres_here() -> Iterator[Postgres]:
    with postgres(binaries_or_skip()) as server:
        yield server


@dataclass(slots=True, kw_only=True)
class Killer:
    """Kills gateways at moments of its choice and starts them again."""

    storm: Storm
    nursery: Nursery
    book: Book
    forks: list[Fork]
    kills: int = 0
    at: Counter[str] = field(default_factory=Counter)
    """How many intents stood where, summed over all kills."""
    starts_s: float = 0.0
    raged_s: float = 0.0

    async def rage(self) -> None:
        """Kill, again and again. Of several gateways one goes on, but for some kills that hit all."""
        began = time.monotonic()
        while self.kills < KILLS:
            await self._aim()
            draw, everybody = self.storm.draw, range(len(self.forks))
            victims = list(everybody) if draw.random() < 0.2 else [draw.choice(everybody)]
            await asyncio.to_thread(self._strike, victims)
            self.kills += len(victims)
        self.raged_s = time.monotonic() - began

    async def _aim(self) -> None:
        draw = self.storm.draw
        if draw.random() > AIMED:
            await asyncio.sleep(draw.random() * draw.choice((0.4, 0.4, 1.5)))
            return
        for _ in range(draw.randrange(1, 6)):
            self.storm.decided.clear()
            await asyncio.wait_for(self.storm.decided.wait(), 30)
        await asyncio.sleep(draw.random() * draw.choice((0.02, 0.06, 0.2)))

    def _strike(self, victims: list[int]) -> None:
        for victim in victims:
            self.forks[victim].kill()
        self.at += self.book.standing()
        began = time.monotonic()
        for victim in victims:
            self.forks[victim] = self.nursery.gateway(self.forks[victim].stage)
        self.starts_s += time.monotonic() - began


async def _weather(storm: Storm, killer: Killer) -> set[str]:
    """The storm, and what comes after it until everything has ended; the intents that waited when it ceased."""
    callers = [asyncio.create_task(call_on(storm)) for _ in range(CALLERS)]
    reviewers = [asyncio.create_task(review_on(storm, name)) for name in (*storm.people.reviewers, *storm.people.reviewers)]
    try:
        await killer.rage()
        storm.ending = True
        await asyncio.sleep(1.0)  # decisions that were on their way have arrived
        waited = {intent for (intent,) in killer.book.rows(f"SELECT id FROM intents WHERE tenant = ? AND state = 'parked' AND route <> '{REFUSED_ROUTE}'")}
        await asyncio.wait_for(asyncio.gather(*callers), SETTLED_S)
        await _calm(killer.book)
        storm.over = True
        await asyncio.gather(*reviewers)
    finally:
        for task in (*callers, *reviewers):
            task.cancel()
        await asyncio.gather(*callers, *reviewers, return_exceptions=True)
    return waited


async def _calm(book: Book) -> None:
    """Until nothing waits or runs: also what nobody knows of, whose caller was cut before anything was said."""
    deadline = time.monotonic() + SETTLED_S
    while book.standing():
        assert time.monotonic() < deadline, f"intents stay where they are: {book.standing()}"
        await asyncio.sleep(0.1)


def _storm(people: People, draw: random.Random, log: Path) -> list[str]:
    """Every disagreement."""
    began = time.monotonic()
    with nursery() as nest:
        storm, book = Storm(people=people, draw=draw), Book(people.stages[0])
        killer = Killer(storm=storm, nursery=nest, book=book, forks=[nest.gateway(stage) for stage in people.stages])
        try:
            waited = uvloop.run(_weather(storm, killer))
            settled = time.monotonic() - began
            # What was left of intents that nobody knows the end of is dropped by the first look of a process.
            for at, fork in enumerate(killer.forks):
                fork.stop()
                killer.forks[at] = nest.gateway(fork.stage)
            problems = [*storm.problems, *uvloop.run(_asked(storm, book)), *_compared(storm, book, log)]
        finally:
            for fork in killer.forks:
                fork.stop()
    problems += [f"{intent} waited when the storm was over, and is {book.state(intent)}" for intent in waited if book.state(intent) != "completed"]
    verify(people.stages[0])
    problems += [line for line in log_of(people.stages[0]).splitlines() if any(word in line for word in ("crashed", "Traceback", '"error"'))][:20]
    states = Counter(book.state(intent) for intent in book.parked)
    figures = {"kills": killer.kills, "at the kills": killer.at, "held intents": states, "calls": len(storm.calls), "waited at the end": len(waited)}
    told = {"intents named": len(storm.told), "decided": sum(map(len, book.decided.values())), "resumed": sum(map(len, book.resumed.values()))}
    print(
        json.dumps(
            figures
            | told
            | {
                "tally": dict(sorted(storm.tally.items())),
                "raged_s": round(killer.raged_s),
                "starts_s": round(killer.starts_s),
                "settled_s": round(settled),
                "all_s": round(time.monotonic() - began),
            },
            indent=1,
        )
    )
    if killer.kills >= ENOUGH:
        assert {"parked", "decided, not resumed", "resumed, running"} <= killer.at.keys(), killer.at
        assert {"completed", "refused", "expired", "indeterminate"} <= states.keys(), states
    return problems


async def _asked(storm: Storm, book: Book) -> list[str]:
    book.read_on()
    await asyncio.sleep(1.0)  # the first look has been
    return [*await parked_checks.later(storm), *await parked_checks.measured(storm, book)]


def _compared(storm: Storm, book: Book, log: Path) -> list[str]:
    book.read_on()
    found = [*parked_checks.told(storm, book), *parked_checks.provided(storm, book, log), *parked_checks.once(storm, book)]
    return [*found, *parked_checks.deeds(storm, book), *book.approvals(), *book.leftovers()]


@pytest.mark.parametrize("seed", SEEDS)
def test_intents_that_wait_for_people_outlive_kills_of_the_gateway(seed: int, tmp_path: Path, provider: int) -> None:
    problems = _storm(build_people(tmp_path, upstream=provider), random.Random(seed), _requests(tmp_path))
    assert problems == [], "\n".join([f"{len(problems)} disagreements:", *problems[:100]])


@pytest.mark.services
@pytest.mark.parametrize("seed", SEEDS)
def test_intents_that_wait_for_people_go_on_in_the_gateway_that_lives(seed: int, tmp_path: Path, provider: int, postgres_here: Postgres) -> None:
    people = build_people(tmp_path, upstream=provider, url=postgres_here.url(postgres_here.create()))
    problems = _storm(people, random.Random(seed), _requests(tmp_path))
    assert problems == [], "\n".join([f"{len(problems)} disagreements:", *problems[:100]])
