"""The whole backtest: load the policies, read the ledger, let the workers replay it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.capabilities.policy.backtest.completing import Read
from gateway.capabilities.policy.backtest.crew import Crew
from gateway.capabilities.policy.backtest.enforcing import NOTHING, Means
from gateway.capabilities.policy.backtest.source import Window, batches
from gateway.capabilities.policy.backtest.tally import Tally
from gateway.capabilities.policy.backtest.worker import Order
from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.projection import paths_of
from gateway.domain import Hook
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import Ledger

DEFAULT_LIMIT_S: Final = 10.0
MEMORY_BYTES: Final = 2 << 30
"""Address space of a worker: Python, the engine and a batch take some 300 MB of it."""
MAX_WORKERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be replayed through what."""

    candidate: Path
    baseline: Path | None = None
    """A policy to compare with; ``None`` compares with what was recorded."""
    known: Sequence[Path] = ()
    """Policies that may have decided then, such as the live one: where a recorded revision is one of theirs, it is known what was given to it."""
    tenants: Sequence[str]
    window: Window
    hooks: frozenset[Hook] = frozenset(Hook)
    means: Means = NOTHING
    limit: int | None = None
    """At most so many records, the newest."""
    workers: int = 0
    """0: as many as this process has processors."""
    limit_s: float = DEFAULT_LIMIT_S
    memory_bytes: int = MEMORY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a backtest found, before it is drawn."""

    task: Task
    tally: Tally
    candidate_revision: str
    baseline_revision: str | None
    workers: int
    seconds: float


def backtest(task: Task, database: Database, *, progress: Callable[[Tally], None] | None = None) -> Outcome:
    """Replay recorded decisions. Nothing is written anywhere.

    Raises:
        PolicyError: The candidate or the baseline could not go live; with every problem.
        DatabaseError: The ledger cannot be read.
        BacktestError: A worker ended, because a policy ran too long or took too much memory.
    """
    started = time.perf_counter()
    order = _order(task)
    workers = min(task.workers or len(os.sched_getaffinity(0)), MAX_WORKERS)
    with Crew(order, workers) as crew:
        tally = crew.run(batches(Ledger(database), task.tenants, task.window, task.limit), progress or _silent)
    return Outcome(
        task=task,
        tally=tally,
        candidate_revision=order.candidate.revision,
        baseline_revision=None if order.baseline is None else order.baseline.revision,
        workers=workers,
        seconds=time.perf_counter() - started,
    )


def _silent(tally: Tally) -> None:
    del tally


def _order(task: Task) -> Order:
    known: dict[str, Read] = {}
    candidate = _loaded(task.candidate, known)
    baseline = None if task.baseline is None else _loaded(task.baseline, known)
    others = (_or_none(path, known) for path in task.known)
    bundles = [bundle for bundle in (candidate, baseline, *others) if bundle is not None]
    return Order(
        candidate=candidate,
        baseline=baseline,
        known=known,
        sources=tuple(text for bundle in bundles for text in (*bundle.modules.values(), bundle.data_json)),
        hooks=task.hooks,
        means=task.means,
        limit_s=task.limit_s,
        memory_bytes=task.memory_bytes,
    )


def _loaded(path: Path, known: dict[str, Read]) -> Bundle:
    bundle = load_bundle(path)
    if bundle.revision not in known:
        program = check(bundle)
        known[bundle.revision] = {hook: paths_of(program, ("gateway", hook.value, "verdict")) for hook in Hook}
    return bundle


def _or_none(path: Path, known: dict[str, Read]) -> Bundle | None:
    """A policy that only makes more decisions replayable, where it can be read."""
    try:
        return _loaded(path, known)
    except PolicyError:
        return None
