"""The worker processes of a backtest: each has an engine of its own, takes a batch, answers with its tally, and can be killed at any moment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from gateway.capabilities.policy.backtest.source import Raw
from gateway.capabilities.policy.backtest.tally import Tally
from gateway.capabilities.policy.backtest.worker import NOTE_BYTES, Order

MODULE: Final = "gateway.capabilities.policy.backtest.worker"
START_S: Final = 60.0
"""In which a worker has to be ready: it imports some modules and compiles a policy that has passed its trial."""
_PACKAGES: Final = Path(__file__).parents[4]


class BacktestError(Exception):
    """The backtest cannot be done; the message says why and at which record."""


class _Worker:
    """One process and the way to it."""

    def __init__(self, order: Order) -> None:
        mine, theirs = socket.socketpair()
        self._note = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
        self._limit_s, self._memory_bytes = order.limit_s, order.memory_bytes
        handed = (theirs.fileno(), self._note.fileno())
        with theirs:
            paths = (str(_PACKAGES), os.environ.get("PYTHONPATH", ""))
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONSAFEPATH": "1"}
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", MODULE, *map(str, handed)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=handed,
                env=environment,
                process_group=0,  # an interrupt from the keyboard is the parent's to deal with
            )
        self.connection: Connection[Any, Any] = Connection(mine.detach())
        self.asked = False
        self.tell(order)

    def tell(self, message: object) -> None:
        """Hand it an order or a batch."""
        try:
            self.connection.send(message)
        except OSError:
            raise self._gone() from None
        self.asked = True

    def answer(self) -> Any:
        """What it says; its end is an error."""
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        self.asked = False
        return said

    def end(self) -> None:
        """Kill it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self.connection.close()
        self._note.close()

    def _gone(self) -> BacktestError:
        status = self._process.wait()
        record = os.pread(self._note.fileno(), NOTE_BYTES, 0).decode("utf-8", "replace").strip("\0 ")
        at = f"on record {record}" if record else "while it started"
        if status == -signal.SIGALRM:
            return BacktestError(f"a policy took longer than {self._limit_s:g} s {at}; make the rule cheaper, or give it longer with --limit-s")
        return BacktestError(
            f"a worker ended with status {status} {at}, as for a policy that needs more than {self._memory_bytes >> 20} MB; nothing is reported"
        )


class Crew:
    """Workers for one order. A context: when it ends, none of them is left."""

    def __init__(self, order: Order, workers: int) -> None:
        self._order = order
        self._count = workers
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Start all of them, and wait until they are ready.

        Raises:
            BacktestError: One is not.
        """
        try:
            for _ in range(self._count):
                self._workers.append(_Worker(self._order))
            for worker in self._workers:
                if not worker.connection.poll(START_S):
                    raise BacktestError(f"a worker was not ready after {START_S:g} s")
                worker.answer()
        except (BacktestError, OSError, KeyboardInterrupt):
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Kill them all."""
        self._end()

    def run(self, batches: Iterable[list[Raw]], progress: Callable[[Tally], None]) -> Tally:
        """Replay every batch. ``progress`` is called with what was counted so far.

        Raises:
            BacktestError: A worker ended.
        """
        total = Tally()
        for batch in batches:
            self._idle(total, progress).tell(batch)
        while any(worker.asked for worker in self._workers):
            self._collect(total, progress)
        return total

    def _idle(self, total: Tally, progress: Callable[[Tally], None]) -> _Worker:
        while True:
            for worker in self._workers:
                if not worker.asked:
                    return worker
            self._collect(total, progress)

    def _collect(self, total: Tally, progress: Callable[[Tally], None]) -> None:
        """Wait for at least one answer. A worker that hangs is ended by its own alarm, and its end is an answer, too."""
        busy = {worker.connection: worker for worker in self._workers if worker.asked}
        for connection in wait(list(busy)):
            total.merge(next(worker for at, worker in busy.items() if at is connection).answer())
        progress(total)

    def _end(self) -> None:
        while self._workers:
            self._workers.pop().end()
