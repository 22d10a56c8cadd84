"""The thread that asks a shadow policy, and says how its verdicts differ from those that were acted on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from time import perf_counter_ns
from typing import Any, Final

from gateway.capabilities.policy.policy import Policy
from gateway.domain import Decision, Hook, Obligations, Verdict
from gateway.infrastructure.policy_engine_process import ProcessEngine

NONE, NEW_DENY, NEW_ALLOW, NEW_ESCALATE, OBLIGATIONS, REASONS, ERROR = "none", "new_deny", "new_allow", "new_escalate", "obligations", "reasons", "error"
DIFFERENCES: Final = (NONE, NEW_DENY, NEW_ALLOW, NEW_ESCALATE, OBLIGATIONS, REASONS, ERROR)
_NEW: Final = {"deny": NEW_DENY, "allow": NEW_ALLOW, "escalate": NEW_ESCALATE}
FAULTS: Final = frozenset(f"policy.{what}" for what in ("undefined", "malformed", "unsupported", "error", "timeout", "unavailable"))
"""Rules of refusals that no policy gave: it could not be asked, or said what is no verdict."""
MAX_QUEUE_BYTES: Final = 16 << 20
"""Of the inputs that wait."""


@dataclass(slots=True, kw_only=True, eq=False)
class Shadowed:
    """One decision that the candidate is asked about, too. The worker sets ``difference`` last."""

    hook: Hook
    live: Verdict
    policy: Policy
    document: bytes
    parts: Mapping[str, Any]
    """What tells whether the verdict may be remembered; no content."""
    decision: Decision | None = None
    difference: str | None = None
    """One of ``DIFFERENCES``; ``None`` while nobody knows."""

    def settle(self, decision: Decision) -> None:
        """The candidate has decided."""
        self.decision, self.document = decision, b""
        self.difference = difference(self.live, decision.verdict)


class ShadowWorker:
    """One thread with a bounded queue. All but ``_run`` belongs to the event loop's thread."""

    def __init__(self, entries: int) -> None:
        """Let at most ``entries`` decisions wait."""
        self._entries = entries
        self._queue: SimpleQueue[Shadowed | ProcessEngine | None] = SimpleQueue()
        self._done: deque[Shadowed] = deque()
        self._bytes_in = 0
        self._bytes_out = 0
        self._thread: threading.Thread | None = None
        self.spent_ns = 0
        """For which decisions have been worked on, here or in the child process."""

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="policy shadow", daemon=True)
        self._thread.start()

    def submit(self, shadowed: Shadowed) -> bool:
        """Hand over a decision; ``False`` where too much waits already."""
        size = len(shadowed.document)
        if self._queue.qsize() >= self._entries or self._bytes_in - self._bytes_out + size > MAX_QUEUE_BYTES:
            return False
        self._bytes_in += size
        self._queue.put(shadowed)
        return True

    def retire(self, engine: ProcessEngine) -> None:
        """Close an engine once nothing waits for it."""
        self._queue.put(engine)

    def take(self) -> list[Shadowed]:
        """What has been decided since the last call."""
        done = self._done
        return [done.popleft() for _ in range(len(done))] if done else []

    def close(self, engine: ProcessEngine | None) -> None:
        """End the thread and the engine that it may wait for; what waits is left undecided. Blocks for some milliseconds."""
        self._entries = 0
        while not self._queue.empty():
            self._drop(self._queue.get())
        self._queue.put(None)
        if engine is not None:
            engine.close()
        if self._thread is not None:
            self._thread.join()

    def _drop(self, item: Shadowed | ProcessEngine | None) -> None:
        if isinstance(item, ProcessEngine):
            item.close()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, ProcessEngine):
                item.close()
                continue
            started, size = perf_counter_ns(), len(item.document)
            item.settle(item.policy.decide_document(item.hook, item.document, item.parts))
            self._bytes_out += size
            self.spent_ns += perf_counter_ns() - started
            self._done.append(item)


def difference(live: Verdict, candidate: Verdict) -> str:
    """What the candidate would have changed: one of ``DIFFERENCES``."""
    if is_fault(candidate):
        return ERROR
    after = candidate.outcome
    if live.outcome != after:
        return _NEW[after]
    if after != "allow" and rules(live) != rules(candidate):
        return REASONS
    return NONE if after == "deny" or _plain(live.obligations) == _plain(candidate.obligations) else OBLIGATIONS


def is_fault(verdict: Verdict) -> bool:
    """Whether this is a refusal that no policy gave."""
    return verdict.outcome == "deny" and bool(verdict.reasons) and verdict.reasons[0].rule in FAULTS


def rules(verdict: Verdict) -> list[str]:
    """The rules that gave a verdict, each once."""
    return sorted({reason.rule for reason in verdict.reasons})


def _plain(obligations: Obligations) -> list[object]:
    """Obligations with what comes to the same written the same."""
    reveal = {destination: categories for destination, categories in obligations.reveal.items() if categories}
    others = [getattr(obligations, name) for name in ("allow_unscanned", "max_tokens", "require_schema", "allow_invalid", "retention_days", "approval")]
    return [reveal, None if obligations.routes is None else sorted(obligations.routes), dict(obligations.labels), *others]
