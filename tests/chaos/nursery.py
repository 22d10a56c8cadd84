"""Gateways that start in a fraction of the time: forks of one process that has loaded everything and runs nothing.

Each is a process of its own that serves ``gateway run`` from its beginning, and is killed as any other. A test that kills a hundred of them spends its time
on what they do. ``python -m tests.chaos.nursery`` is the parent: a line with a config and a log on its input, the pid of a new gateway on its output.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import orjson

from gateway.__main__ import main
from gateway.infrastructure import database_postgres
from gateway.surfaces.cli import run
from tests.stage import ROOT, Stage, answers_200

READY_S = 60.0


class Fork:
    """A gateway: a child of the nursery, killed here by its own pid."""

    def __init__(self, pid: int, stage: Stage) -> None:
        self.pid = pid
        self.stage = stage

    @property
    def alive(self) -> bool:
        """Whether it runs. The nursery leaves no zombies."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait_ready(self) -> None:
        """Until it serves: by then it has recovered what others left open."""
        deadline = time.monotonic() + READY_S
        while not answers_200(self.stage.port, "/readyz"):
            assert self.alive, f"the gateway ended: {log_of(self.stage)[-4000:]}"
            assert time.monotonic() < deadline, f"the gateway is not ready: {log_of(self.stage)[-4000:]}"
            time.sleep(0.005)

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait until it has; kill it where it does not."""
        self._end(signal.SIGTERM)
        if self.alive:
            self.kill()

    def _end(self, number: int) -> None:
        deadline = time.monotonic() + 30
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            while self.alive and time.monotonic() < deadline:
                time.sleep(0.002)


class Nursery:
    """Starts gateways."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def gateway(self, stage: Stage) -> Fork:
        """A new one, ready."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the nursery has no pipes")
        self._process.stdin.write(orjson.dumps([str(stage.config), str(stage.folder / "gateway.log")]) + b"\n")
        self._process.stdin.flush()
        fork = Fork(int(self._process.stdout.readline()), stage)
        fork.wait_ready()
        return fork


def log_of(stage: Stage) -> str:
    """What all gateways of a stage have printed."""
    file = stage.folder / "gateway.log"
    return file.read_text(errors="replace") if file.exists() else ""


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """One that runs."""
    process = subprocess.Popen([sys.executable, "-m", "tests.chaos.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        yield Nursery(process)


def _serve(config: str, log: str) -> None:
    """The child's life: a process group of its own, its output in the log."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    for number in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["gateway", "run", "--config", config]
    main()


def _tend() -> None:
    for loaded in (run, database_postgres):  # here, so that no child has to
        assert loaded.__name__ in sys.modules
    children = set[int]()

    def reap(*_: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                children.discard(pid)

    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin.buffer:
        config, log = orjson.loads(line)
        pid = os.fork()
        if not pid:
            _serve(config, log)
            return
        children.add(pid)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    for pid in children:  # of a test that was interrupted
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _tend()
