"""Circuit breakers: a target that keeps failing is left alone for a while, then tried with a few calls before all may go there again.

    closed ──(so many failures in a row, within the window)──> open ──(open_s have passed)──> half_open ──(one success)──> closed
                                                                 ^────────(one failure)──────────┘

The time that a breaker stays open is always ``open_s``. A verdict counts only in the state in which its permit was given: calls that were under way
when the breaker opened neither keep it open nor close it. A breaker belongs to this process and to the event loop's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from gateway.settings import BreakerLimits

State: TypeAlias = Literal["closed", "open", "half_open"]
OnChange: TypeAlias = Callable[[str, State], None]

STATES: Final[tuple[State, ...]] = ("closed", "open", "half_open")


class Permit:
    """The leave to make one call. Exactly one verdict counts: the first. Whoever holds it has to give one, as a probe keeps its place until then."""

    __slots__ = ("_breaker", "_epoch")

    def __init__(self, breaker: _Breaker, epoch: int) -> None:
        self._breaker: _Breaker | None = breaker
        self._epoch = epoch

    @property
    def settled(self) -> bool:
        """Whether a verdict was given."""
        return self._breaker is None

    def success(self) -> None:
        """The target answered."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None and breaker.epoch == self._epoch:
            breaker.succeed()

    def failure(self) -> None:
        """The target failed, and is to blame."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None and breaker.epoch == self._epoch:
            breaker.fail()

    def neutral(self) -> None:
        """The call says nothing about the target: cancelled, not made, or the request's own fault."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None and breaker.epoch == self._epoch and breaker.state == "half_open":
            breaker.probing -= 1


class _Breaker:
    """One target's breaker."""

    __slots__ = ("_failures", "_limits", "_name", "_now", "_on_change", "cooling_until", "epoch", "opened_at", "probing", "state")

    def __init__(self, name: str, limits: BreakerLimits, now: Callable[[], float], on_change: OnChange | None) -> None:
        self._name = name
        self._limits = limits
        self._now = now
        self._on_change = on_change
        self._failures: deque[float] = deque(maxlen=limits.failures)
        self.state: State = "closed"
        self.epoch = 0
        self.opened_at = 0.0
        self.probing = 0
        self.cooling_until = 0.0

    def settle(self) -> State:
        """The state as of now: an open breaker whose time has passed is half open."""
        if self.state == "open" and self._now() - self.opened_at >= self._limits.open_s:
            self.move("half_open")
        return self.state

    def enter(self) -> Permit | None:
        """A permit for a call, if one may be made."""
        if self.state != "closed":
            if self.settle() == "open" or self.probing >= self._limits.probes:
                return None
            self.probing += 1
        return Permit(self, self.epoch)

    def succeed(self) -> None:
        """A success that counts: the failures before it were no row."""
        if self.state != "closed":
            self.move("closed")
        elif self._failures:
            self._failures.clear()

    def fail(self) -> None:
        """A failure that counts."""
        now = self._now()
        self._failures.append(now)
        if self.state == "half_open" or (len(self._failures) == self._limits.failures and now - self._failures[0] <= self._limits.window_s):
            self.opened_at = now
            self.move("open")

    def move(self, state: State) -> None:
        """Go to another state; permits of the last one count no more."""
        self.state = state
        self.epoch += 1
        self.probing = 0
        self._failures.clear()
        if self._on_change is not None:
            self._on_change(self._name, state)


class Breakers:
    """The breakers of all targets, and until when a target asked to be left alone."""

    def __init__(self, limits: Mapping[str, BreakerLimits], now: Callable[[], float], on_change: OnChange | None = None) -> None:
        """``limits`` by the target's name; ``now`` gives monotonic seconds; ``on_change`` is told each change of a state."""
        self.now = now
        self._breakers = {name: _Breaker(name, each, now, on_change) for name, each in limits.items()}

    def enter(self, target: str) -> Permit | None:
        """Leave to call ``target`` once; ``None`` where its breaker is open, or half open and every probe is under way."""
        return self._breakers[target].enter()

    def state(self, target: str) -> State:
        """The state of ``target``'s breaker as of now."""
        return self._breakers[target].settle()

    def cool(self, target: str, until: float) -> None:
        """Leave ``target`` alone until then (seconds of ``now``), as it asked with Retry-After. Never shortens what stands already."""
        breaker = self._breakers[target]
        breaker.cooling_until = max(breaker.cooling_until, until)

    def cooling_until(self, target: str) -> float:
        """Until when ``target`` is to be left alone (seconds of ``now``); in the past where it is not."""
        return self._breakers[target].cooling_until
