"""Processes of the bench: a server that runs while a block does, and how long a gateway takes to be ready."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stage import Server, Stage


def cores() -> tuple[set[int], set[int]]:
    """The core of the servers under test, and those of everything else; the same one where there is only one."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return {first}, set(rest) or {first}


@contextmanager
def serving(log: Path, command: list[str], port: int, on: set[int]) -> Iterator[Server]:
    """A process that answers at ``port``, on these cores."""
    server = Server(command, log=log)
    os.sched_setaffinity(server.pid, on)
    try:
        server.wait_ready(port, "/readyz")
        yield server
    finally:
        server.stop()


def start_to_ready(stage: Stage, times: int) -> float:
    """Median seconds from spawning the gateway to the first 200 of ``/readyz``, on all cores."""
    took = []
    for _ in range(times):
        started = time.monotonic()
        server = stage.gateway()
        try:
            server.wait_ready(stage.port)
            took.append(time.monotonic() - started)
        finally:
            server.stop()
    return round(statistics.median(took), 2)
