"""What runs in each worker process: replays batches of records through its own engine. ``crew`` starts it with the descriptor of a socket and that of a file.

An embedded engine cannot be interrupted. So before every decision an alarm is set whose signal ends the process, whatever it does, and the id of the
record is noted in the file: the parent, if it lives, can say which record it was.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

from gateway.capabilities.policy.backtest.comparing import NEWLY_ALLOWED, changes, kind_of
from gateway.capabilities.policy.backtest.completing import Read
from gateway.capabilities.policy.backtest.enforcing import Means
from gateway.capabilities.policy.backtest.judging import Apart, Judge, Judged
from gateway.capabilities.policy.backtest.names import Names
from gateway.capabilities.policy.backtest.recorded import NOT_BY_POLICY, Asked, Said, decisions
from gateway.capabilities.policy.backtest.source import Raw
from gateway.capabilities.policy.backtest.tally import Tally
from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine

NOTE_BYTES = 128
"""Of the file that names the record in work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What all workers of a backtest are to do."""

    candidate: Bundle
    baseline: Bundle | None
    """``None`` compares with what was recorded."""
    known: Mapping[str, Read]
    """What policies read, by revision."""
    sources: tuple[str, ...]
    """Texts of policies and their data: what stands in them may be shown."""
    hooks: frozenset[Hook]
    means: Means
    limit_s: float
    """Seconds that one decision may take before the worker is killed."""
    memory_bytes: int
    """Address space of a worker."""


class Replay:
    """Replays records in this process. ``note`` is called before each decision with the id of its record."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._candidate = _judge(order.candidate, order)
        self._baseline = None if order.baseline is None else _judge(order.baseline, order)
        self._names = Names(order.sources)

    def record(self, raw: Raw, tally: Tally) -> None:
        """Replay the decisions of one record into ``tally``."""
        found = list(decisions(raw, self._order.hooks))
        if found:
            tally.add_record(found[0].route, found[0].cost_microusd)
        for asked in found:
            self._decision(asked, tally)

    def _decision(self, asked: Asked, tally: Tally) -> None:
        before = self._before(asked)
        after = before if isinstance(before, Apart) else self._candidate.judge(asked)
        if isinstance(before, Apart) or isinstance(after, Apart):
            tally.set_apart(asked, after if isinstance(after, Apart) else Apart(NOT_BY_POLICY))
            return
        self._compare(asked, before, after, tally)

    def _before(self, asked: Asked) -> Said | Apart:
        """The verdict to compare with."""
        if asked.problem is not None or asked.said is None:
            return Apart(asked.problem or NOT_BY_POLICY)
        if self._baseline is None:
            return asked.said
        judged = self._baseline.judge(asked)
        return judged if isinstance(judged, Apart) else judged.said

    def _compare(self, asked: Asked, before: Said, after: Judged, tally: Tally) -> None:
        said = after.said
        alike = before.outcome == said.outcome != "deny" and not before.old
        changed = changes(before.obligations, said.obligations, self._names) if alike and before.obligations != said.obligations else ()
        kind = kind_of(before, said, changed)
        rules = before.because if kind == NEWLY_ALLOWED else said.because
        at_hand = kind != NEWLY_ALLOWED or self._baseline is not None or asked.revision in self._order.known
        shown = dict.fromkeys(self._names.shown(rule, at_hand=at_hand) for rule in rules) if said.effective != "allow" or kind == NEWLY_ALLOWED else ()
        tally.compare(asked, (before, said), kind, shown, changed if said.effective == before.effective else ())
        tally.evaluated += after.evaluated
        tally.slow += after.slow
        tally.completed += bool(after.added)
        tally.added.update(".".join(path) for path in after.added)


def _judge(bundle: Bundle, order: Order) -> Judge:
    program = Program(EmbeddedEngine(bundle.modules, bundle.data_json).ast())
    return Judge(Policy(bundle, program, timeout_s=order.limit_s * 2), order.known, order.means)


def work(connection: Connection, note: int) -> None:
    """Take the order, then batch after batch, and answer each with its tally, until there is nobody to answer."""
    order: Order = connection.recv()
    resource.setrlimit(resource.RLIMIT_AS, (order.memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replay = Replay(order)
    connection.send("ready")
    while True:
        batch: list[Raw] = connection.recv()
        tally = Tally()
        for raw in batch:
            os.pwrite(note, raw.intent_id.encode("utf-8", "replace")[:NOTE_BYTES].ljust(NOTE_BYTES), 0)
            signal.setitimer(signal.ITIMER_REAL, order.limit_s)
            replay.record(raw, tally)
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.send(tally)


def main() -> None:
    """Work for the parent; end quietly when it is gone."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        work(Connection(int(sys.argv[1])), int(sys.argv[2]))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
