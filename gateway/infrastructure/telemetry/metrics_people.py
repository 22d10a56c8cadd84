"""What ``/metrics`` shows of people's part: tasks, parked intents, waiting callers, approvals, announcements. ``metrics`` has the rest and the rules."""

from __future__ import annotations

from gateway.domain_tasks import Action
from gateway.infrastructure.telemetry.instruments import Counter, Gauge, Histogram

_LONG_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0)
"""People take seconds to a week."""
_ACTIONS = frozenset(Action)


class PeopleMetrics:
    """These instruments, each of which is an attribute."""

    def __init__(self) -> None:
        self._tasks_opened = Counter("gateway_tasks_opened", "Tasks of people that were opened; each parks an intent.", ("queue", "mode"))
        self._tasks_ended = Counter("gateway_tasks_ended", "Tasks that ended, by what ended them.", ("queue", "mode", "outcome"))
        self._task_seconds = Histogram("gateway_task_decision_seconds", "From a task's opening to people's decision.", _LONG_SECONDS, ("queue", "mode"))
        self._resumed = Counter("gateway_intents_resumed", "Parked intents that went on, by the hook that had held them.", ("hook",))
        self._callers = Gauge("gateway_callers_waiting", "Callers of this process that wait for the outcome of an intent.")
        self._approvals = Counter("gateway_approvals_rejected", "Approvals that did not stand when an intent went on.", ("why",))
        self._announcements = Counter("gateway_announcements_failed", "Messages to a queue's webhook that it did not take.", ("queue", "reason"))

    def task_opened(self, queue: str, mode: str) -> None:
        """An intent was parked, and somebody has something to decide."""
        self._tasks_opened.add(queue, mode)

    def task_ended(self, queue: str, mode: str, outcome: str, duration_ns: int) -> None:
        """A task ended: people's ``Action`` completed it, or it came to ``expire`` or ``cancel``."""
        self._tasks_ended.add(queue, mode, outcome)
        if outcome in _ACTIONS:
            self._task_seconds.observe(duration_ns / 1e9, queue, mode)

    def intent_resumed(self, hook: str) -> None:
        """A parked intent goes on."""
        self._resumed.add(hook)

    def callers_waiting(self, change: int) -> None:
        """So many callers more, or less, wait for an outcome."""
        self._callers.value += change

    def approval_rejected(self, why: str) -> None:
        """An approval did not stand: ``forged``, ``revoked``, ``used``, ``expired``, ``scope`` or ``key_revoked``."""
        self._approvals.add(why)

    def announcement_failed(self, queue: str, reason: str) -> None:
        """A webhook did not take a message: ``timeout``, ``unreachable`` or ``rejected``."""
        self._announcements.add(queue, reason)
