"""``--profile``: which functions of the gateway take the time under a workload."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.benchmarks.runs import Extent, Runner, Side
from tests.benchmarks.workloads import LAST_TURN, TURN30, WORKLOADS, Workload, conversations

MODES = ("sample", "calls")
_WARM_UP = 2_000
_EXTENT = Extent(rounds=1, seconds=10.0, conversations=100, growth_calls=0)


def profile(gateway: Callable[..., AbstractContextManager[Side]], folder: Path, load_cores: Iterable[int], key: str, modes: Iterable[str]) -> None:
    """Run the gateway under each way of profiling, and print the table that it leaves behind."""
    # Every message of the conversations is seen in the warm-up: what shows is what a known history costs.
    workload = Workload(bodies=conversations(0, _EXTENT.conversations, LAST_TURN), connections=16) if key == TURN30 else WORKLOADS[key]
    for mode in modes:
        table = folder / f"{mode}.txt"
        with gateway("tests.benchmarks.profiled", mode, str(table)) as side:
            runner = Runner(side, side, _EXTENT, load_cores)
            plain = runner.load(side, workload, requests=_WARM_UP)
            os.kill(side.pid, signal.SIGUSR2)
            measured = runner.load(side, workload, seconds=_EXTENT.seconds)
        print(f"\n{key}, {mode}: {measured.calls} calls, {measured.cpu_us:.0f} us of CPU per call with the profiler on, {plain.cpu_us:.0f} without\n")
        print(table.read_text())
