"""Runs a workload against the floor and the gateway in turn, and takes medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import orjson

from gateway.domain import Json
from tests.benchmarks.load import Measured, Plan
from tests.benchmarks.workloads import LAST_TURN, Pair, Workload, conversations
from tests.stage import ROOT

FIGURES = ("rps", "p50_ms", "p99_ms", "cpu_us")
_PER_WARM_UP = 12
"""Warm-up requests per connection."""
_ROUNDS_OF_A_PAIR = 3
"""Times those of a comparison with the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A server under load."""

    name: str
    port: int
    pid: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long to measure."""

    rounds: int
    seconds: float
    conversations: int
    growth_calls: int


FULL = Extent(rounds=3, seconds=3.0, conversations=400, growth_calls=50_000)
QUICK = Extent(rounds=1, seconds=1.5, conversations=100, growth_calls=4_000)


class LoadError(Exception):
    """A server answered something else than 200."""


class Runner:
    """Sends load from a process of its own, and remembers how many calls each side has had."""

    def __init__(self, floor: Side, governed: Side, extent: Extent, load_cores: Iterable[int]) -> None:
        self._sides = (floor, governed)
        self.extent = extent
        self._cores = set(load_cores)
        self._serial = 0
        self.calls = {floor.name: 0, governed.name: 0}

    def compare(self, workload: Workload) -> Json:
        """Both sides in turn, as often as the extent says."""
        found: dict[str, list[Measured]] = {side.name: [] for side in self._sides}
        for _ in range(self.extent.rounds):
            for side in self._sides:
                warm_up = _PER_WARM_UP * workload.connections
                found[side.name].append(self.load(side, workload, seconds=self.extent.seconds, warm_up=warm_up))
        return compared(*(medians(found[side.name]) for side in self._sides))

    def compare_turns(self) -> Json:
        """The last turn of conversations against the first. The turn before the last was seen, as an agent's history is."""
        found: dict[tuple[str, int], list[Measured]] = {}
        count = self.extent.conversations
        for number in range(self.extent.rounds):
            for side in self._sides:
                for turn in (1, LAST_TURN):
                    if turn > 1:
                        self.load(side, Workload(bodies=conversations(number, count, turn - 1), connections=16), requests=count)
                    bodies = conversations(number if turn > 1 else number + 500, count, turn)
                    found.setdefault((side.name, turn), []).append(self.load(side, Workload(bodies=bodies, connections=16), requests=count))
        floor, governed = (medians(found[side.name, LAST_TURN]) for side in self._sides)
        first = {side.name: medians(found[side.name, 1]) for side in self._sides}
        over_first = governed["cpu_us"] / first[self._sides[1].name]["cpu_us"]
        return {**compared(floor, governed), "first": first, "cpu_over_first": round(over_first, 2)}

    def compare_pair(self, pair: Pair) -> Json:
        """The assessed call beside the plain one, both on the governed side, in short rounds in turn: the difference is small, so the machine must not be."""
        side, seconds = self._sides[1], self.extent.seconds / 2
        found: dict[str, list[Measured]] = {"plain": [], "assessed": []}
        for _ in range(_ROUNDS_OF_A_PAIR * self.extent.rounds):
            for name, workload in (("plain", pair.plain), ("assessed", pair.assessed)):
                found[name].append(self.load(side, workload, seconds=seconds, warm_up=_PER_WARM_UP * workload.connections))
        over = statistics.median(assessed.cpu_us / plain.cpu_us for plain, assessed in zip(found["plain"], found["assessed"], strict=True))
        return {**{name: medians(runs) for name, runs in found.items()}, "cpu_over_plain": round(over, 3)}

    def load(self, side: Side, workload: Workload, *, seconds: float = 0.0, requests: int = 0, warm_up: int = 0) -> Measured:
        """Carry out one plan.

        Raises:
            LoadError: Not all answers were good.
        """
        plan = Plan(
            port=side.port,
            pid=side.pid,
            key=side.key,
            bodies=list(workload.bodies),
            connections=workload.connections,
            seconds=seconds,
            requests=requests,
            warm_up=warm_up,
            first_serial=self._serial,
        )
        process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        os.sched_setaffinity(process.pid, self._cores)
        answer, _ = process.communicate(orjson.dumps(asdict(plan)))
        if process.returncode:
            raise LoadError(f"the load generator failed against the {side.name} side ({process.returncode})")
        measured = Measured(**orjson.loads(answer))
        self._serial += measured.calls
        self.calls[side.name] += measured.calls
        if measured.failed:
            raise LoadError(f"{measured.failed} of {measured.calls} calls failed on the {side.name} side; the first answer:\n{measured.first_failure}")
        return measured


def medians(runs: list[Measured]) -> Json:
    """The median of each figure."""
    return {figure: round(statistics.median(getattr(run, figure) for run in runs), 3 if figure.endswith("_ms") else 1) for figure in FIGURES}


def compared(floor: Json, governed: Json) -> Json:
    """The two sides and the ratio of their CPU per request."""
    return {"floor": floor, "governed": governed, "cpu_ratio": round(governed["cpu_us"] / floor["cpu_us"], 2)}
