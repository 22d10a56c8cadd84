"""A candidate policy beside the live one: asked about the same intents, heard by nobody but metrics and records.

It never changes what happens to an intent. The gateway's own process projects the input onto what the candidate reads and hands it over; the candidate is
evaluated in a process of its own (``policy_engine_process``). What both cost is added up, and once it is more than its share of one core, decisions are
skipped. Whatever is skipped is counted with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic_ns, perf_counter_ns
from typing import Any, Final
from zlib import crc32

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.contract import covers
from gateway.capabilities.policy.loading import DEFAULT_TRIAL_S, check
from gateway.capabilities.policy.policy import DEFAULT_TIMEOUT_S, Policy
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.capabilities.policy.projection import InputError
from gateway.capabilities.policy.shadow_worker import Shadowed, ShadowWorker, is_fault
from gateway.capabilities.policy.sources import Source, SourceOptions, source_of
from gateway.capabilities.policy.trial import Trial
from gateway.domain import Decision, Hook
from gateway.infrastructure.policy_engine_process import ProcessEngine
from gateway.infrastructure.telemetry.metrics import Metrics

SKIPPED: Final = ("not_loaded", "live_fault", "too_large", "budget", "queue_full", "input")
"""Why the candidate was not asked about a decision that was to be sampled."""
MAX_REQUEST_BYTES: Final = 262_144
"""A request longer than this is left out where the candidate reads its content: to write it down once more would take milliseconds."""
_BURST_NS: Final = 1_000_000_000
"""Decisions are skipped once the work that was done is a second's share ahead."""
_CONTENT_OF_REQUEST: Final = tuple(("request", name) for name in ("messages", "tools", "params"))
_JUDGED: Final = ("confidence", "signals")

OnChange = Callable[[bool, str, Sequence[Problem]], None]
"""Called after every attempt to load: whether it worked, the candidate's revision, and what was wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowOptions(SourceOptions):
    """Where the candidate is, and what it may cost."""

    sample: float = 1.0
    """Share of intents that it is asked about, in [0, 1]; an intent is sampled with all its decisions or with none."""
    max_share: float = 0.1
    """Of one core, for projection and evaluation together."""
    queue_entries: int = 1_000
    """Decisions that may wait."""
    memo_entries: int = 10_000
    trial_s: float = DEFAULT_TRIAL_S
    timeout_s: float = DEFAULT_TIMEOUT_S
    """Seconds after which an evaluation is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowStatus:
    """What the shadow is up to."""

    revision: str = ""
    """Of the candidate; empty while there is none that may be asked."""
    error: str = ""
    """Why what the source has now is not asked, one line for each problem."""


class Shadow:
    """Keeps the candidate up to date and asks it. One per process; everything belongs to the event loop's thread."""

    def __init__(self, options: ShadowOptions, metrics: Metrics, on_change: OnChange | None = None) -> None:
        """Nothing is read or started yet."""
        self._options = options
        self._metrics = metrics
        self._on_change = on_change
        self._sampled = round(options.sample * (1 << 32))
        self._worker = ShadowWorker(options.queue_entries)
        self._policy: Policy | None = None
        self._engine: ProcessEngine | None = None
        self._reads_content = False
        self._task: asyncio.Task[None] | None = None
        self._trial: Trial | None = None
        self._status = ShadowStatus()
        self._projected_ns = self._settled_ns = self._debt_ns = 0
        self._at_ns = monotonic_ns()

    @property
    def status(self) -> ShadowStatus:
        """The state as of now."""
        return self._status

    def start(self) -> None:
        """Begin to load the candidate; nobody waits for it. A broken one is asked nothing, and looked at again when it changes."""
        self._worker.start()
        self._task = asyncio.create_task(self._watch(), name="policy shadow")

    async def close(self) -> None:
        """Stop. What waits is left undecided."""
        if self._trial is not None:
            self._trial.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await asyncio.to_thread(self._worker.close, self._engine)
        self.count()

    def offer(self, parts: Mapping[str, Any], live: Decision, *, reads: frozenset[tuple[str, ...]] | None, size: int) -> Shadowed | None:
        """Have the candidate asked about what ``live`` was decided on.

        Args:
            parts: The sections of the input, as ``PolicyDecider.decide`` has them.
            live: What was decided.
            reads: What the policy that decided refers to at this hook; ``None`` where that is not known any more.
            size: Of the request, in bytes.

        Returns:
            Where its verdict will stand, sooner or later; ``None`` where it is not asked.
        """
        if crc32(parts["intent"]["id"].encode()) >= self._sampled:
            return None
        self.count()
        policy = self._policy
        reason = self._reason(policy, live, size)
        if policy is None or reason:
            self._metrics.shadow_skipped(reason)
            return None
        started = perf_counter_ns()
        shadowed = _shadowed(policy, parts, live, reads)
        if shadowed is None:
            self._metrics.shadow_skipped("input")
            return None
        remembered = policy.remembered(live.hook, shadowed.document, shadowed.parts)
        if remembered is not None:
            shadowed.settle(remembered)
            self._metrics.shadow_decision(live.hook, shadowed.difference or "")
        elif not self._worker.submit(shadowed):
            self._metrics.shadow_skipped("queue_full")
        self._projected_ns += perf_counter_ns() - started
        return shadowed

    def count(self) -> None:
        """Count what was decided since the last call."""
        for shadowed in self._worker.take():
            self._metrics.shadow_decision(shadowed.hook, shadowed.difference or "")

    def _reason(self, policy: Policy | None, live: Decision, size: int) -> str:
        """Why the candidate is not to be asked; empty where it is."""
        if policy is None:
            return "not_loaded"
        if is_fault(live.verdict) and not live.memoised and live.verdict.reasons[0].rule in {"policy.unavailable", "policy.timeout", "policy.error"}:
            return "live_fault"
        if self._reads_content and live.hook is Hook.INTENT and size > MAX_REQUEST_BYTES:
            return "too_large"
        return "budget" if self._is_overdrawn() else ""

    def _is_overdrawn(self) -> bool:
        """Whether more than the share of one core went into the candidate lately."""
        now, spent = monotonic_ns(), self._projected_ns + self._worker.spent_ns
        allowance = int((now - self._at_ns) * self._options.max_share)
        self._debt_ns = max(0, self._debt_ns - allowance) + spent - self._settled_ns
        self._at_ns, self._settled_ns = now, spent
        return self._debt_ns > _BURST_NS * self._options.max_share

    async def _watch(self) -> None:
        """Look for a candidate again and again, and count what was decided meanwhile."""
        source: Source | None = None
        try:
            source = source_of(self._options)
            while True:
                look = asyncio.create_task(self._look(source))
                try:
                    await asyncio.wait({look})
                finally:
                    look.cancel()
                if not look.cancelled() and look.exception() is not None:
                    self._failed((Problem(source.place, 0, 0, f"the candidate cannot be loaded: {type(look.exception()).__name__}"),))
                await asyncio.sleep(source.interval_s)
                self.count()
        except PolicyError as error:
            self._failed(error.problems)
        finally:
            if source is not None:
                await source.close()

    async def _look(self, source: Source) -> None:
        try:
            bundle = await source.look()
            if bundle is None:
                return
            program = await asyncio.to_thread(check, bundle, trial_s=self._options.trial_s, timeout_s=self._options.timeout_s, started=self._trying)
        except PolicyError as error:
            self._failed(error.problems)
            return
        engine = ProcessEngine(bundle.modules, bundle.data_json, limit_s=self._options.timeout_s)
        policy = Policy(bundle, program, memo_entries=self._options.memo_entries, timeout_s=self._options.timeout_s, engine=engine)
        await asyncio.to_thread(policy.prepare)
        self._go(policy, engine, bundle)
        await source.accepted(bundle)

    def _go(self, policy: Policy, engine: ProcessEngine, bundle: Bundle) -> None:
        if self._engine is not None:
            self._worker.retire(self._engine)
        self._policy, self._engine = policy, engine
        paths = policy.reads(Hook.INTENT)
        self._reads_content = any(covers(path, one) or covers(one, path) for path in paths for one in _CONTENT_OF_REQUEST)
        self._status = ShadowStatus(revision=bundle.revision)
        if self._on_change is not None:
            self._on_change(True, bundle.revision, ())

    def _failed(self, problems: Sequence[Problem]) -> None:
        error = "\n".join(str(problem) for problem in problems)
        if error == self._status.error:
            return
        self._status = replace(self._status, error=error)
        if self._on_change is not None:
            self._on_change(False, self._status.revision, problems)

    def _trying(self, trial: Trial) -> None:
        self._trial = trial


def _shadowed(policy: Policy, parts: Mapping[str, Any], live: Decision, reads: frozenset[tuple[str, ...]] | None) -> Shadowed | None:
    """The question to the candidate; ``None`` where it has no input that a policy may be asked about. It is the live one's where both read the same."""
    hook = live.hook
    if policy.reads(hook) == reads and not is_fault(live.verdict):
        document = live.input
    else:
        try:
            document = policy.project(hook, parts)
        except InputError:
            return None
    answer = parts.get("answer")
    judged: dict[str, Any] = {"answer": {name: answer.get(name) for name in _JUDGED}} if isinstance(answer, Mapping) else {}
    if parts.get("approvals"):
        judged["approvals"] = parts["approvals"]
    return Shadowed(hook=hook, live=live.verdict, policy=policy, document=document, parts=judged)
