"""The walk of one intent along its targets: who is called next, after what pause, until one budget of attempts or one deadline is used up.

The order of ``consider`` is walked from its start at each step. A target that failed in a way that may pass is called again, up to ``retries.max`` times,
before the next one has its turn; one that failed in a way that will not pass, or whose answers are of no use, never comes again. The course neither sleeps
nor calls: it says what to do, and is told what became of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from gateway.capabilities.routing.breakers import Breakers, Permit
from gateway.capabilities.routing.reactions import Then, reaction_to, retry_after_s
from gateway.capabilities.routing.selecting import Considered
from gateway.domain import Purpose
from gateway.errors import GatewayError, UpstreamRejected
from gateway.settings import Route, Target

BREAKER_OPEN: Final = "breaker.open"
BUSY: Final = "target.busy"
RATE_LIMITED: Final = "target.rate_limited"
MIN_REMAINING: Final = "when.min_remaining_s"
DYNAMIC_REASONS: Final = (BREAKER_OPEN, BUSY, RATE_LIMITED, MIN_REMAINING)
"""Why a target can be passed over at one step, besides what ``consider`` found."""

LONGEST_COOLING_S: Final = 300.0
"""The longest that a Retry-After keeps a target out for other intents: a target that names days is asked again before, as it may be mistaken."""

Exhausted: TypeAlias = Literal["budget", "deadline", "targets", "error"]

_ASKED_DIFFERENTLY: Final = frozenset({Purpose.SAMPLE, Purpose.REPAIR})
"""Calls whose request is not the intent's own: that one is rejected does not show that the intent's would be."""


class Step(NamedTuple):
    """A call to make: of whom, why, after how many seconds. ``failed``, ``answered`` or ``dropped`` follows."""

    target: Target
    purpose: Purpose
    wait_s: float
    permit: Permit


class _Candidate:
    """A target that may be called, and what has become of it so far."""

    __slots__ = ("failures", "not_before", "passed", "target", "tries")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tries = 0
        """Calls of it but samples and repairs: one and the retries."""
        self.failures = 0
        self.not_before = float("-inf")
        self.passed = False
        """Never to be called again."""


class _Place(NamedTuple):
    """A place in the order. A target can have several, with conditions of their own; what became of it counts for all of them."""

    candidate: _Candidate
    min_remaining_s: float
    repair_only: bool


class Course:
    """One intent's walk. Several steps may be under way at once."""

    def __init__(
        self, route: Route, order: Sequence[Considered], breakers: Breakers, busy: Callable[[str], bool], *, deadline: float, rand: Callable[[], float]
    ) -> None:
        """``order`` is what ``consider`` gave; ``busy`` tells of a target's name whether its limit of concurrent calls is reached.

        The clock is that of ``breakers``; ``deadline`` is a time of it. ``rand`` gives numbers in [0, 1), such as ``random.random``.
        """
        self.left = route.attempts
        """Calls that may still be made."""
        self.deadline = deadline
        self.exhausted: Exhausted | None = None
        """Why the last ``next`` gave none: ``error`` is one that no target can mend."""
        self.skipped: list[tuple[str, str]] = [(each.target.name, each.skipped) for each in order if each.skipped is not None]
        """Who was passed over and why (``selecting.REASONS``, ``DYNAMIC_REASONS``), each pair once."""
        self._retries = route.retries
        self._breakers = breakers
        self._busy = busy
        self._rand = rand
        self._started = False
        self._over = False
        self._too_late = False
        self._open: dict[Permit, _Candidate] = {}
        self._candidates: dict[str, _Candidate] = {}
        self._places: list[_Place] = []
        for each in order:
            if each.skipped is None:
                candidate = self._candidates.get(each.target.name) or self._candidates.setdefault(each.target.name, _Candidate(each.target))
                self._places.append(_Place(candidate, each.min_remaining_s, each.repair_only))

    @property
    def remaining_s(self) -> float:
        """Seconds to the deadline, not below 0."""
        return max(0.0, self.deadline - self._breakers.now())

    @property
    def back_in_s(self) -> int:
        """Seconds until the first of the targets may be called again, as far as they said so themselves; at least 1."""
        until = [self._breakers.cooling_until(place.candidate.target.name) for place in self._places if not place.repair_only]
        return max(1, math.ceil(min(until, default=0.0) - self._breakers.now()))

    def next(self, purpose: Purpose | None = None, only: Target | None = None) -> Step | None:
        """The next call to make, taken from the budget; ``None`` where there is none (``exhausted`` says why).

        ``purpose`` is given for a ``SAMPLE``, a ``REPAIR`` or a ``HEDGE``; else it is found: ``FIRST``, ``RETRY`` or ``FALLBACK``. ``only`` names the target,
        and none of the others is taken instead. A target that is under way is called beside it only for a sample or a repair. A hedge never waits.
        """
        now = self._breakers.now()
        self.exhausted = self._end(now)
        if self.exhausted is not None:
            return None
        self._too_late = False
        cooling: list[_Place] = []
        step = None
        for place in self._eligible(purpose, only):
            start = max(now, place.candidate.not_before)
            if self._breakers.cooling_until(place.candidate.target.name) > start:
                cooling.append(place)
                continue
            step = self._take(place, purpose, now, start - now)
            if step is not None:
                break
        if step is None:
            step = self._wait_for(cooling, purpose, now)
        if cooling:
            self._skip_cooling(cooling, step)
        if step is None:
            self.exhausted = "deadline" if self._too_late else "targets"
        return step

    def failed(self, step: Step, error: GatewayError) -> None:
        """The call of ``step`` ended in ``error``. Does nothing for a step that has ended already."""
        candidate = self._ended(step)
        if candidate is None:
            return
        then, blames = reaction_to(error)
        if blames:
            step.permit.failure()
        else:
            step.permit.neutral()
        if then is Then.STOP:
            if step.purpose in _ASKED_DIFFERENTLY and isinstance(error, UpstreamRejected):
                candidate.passed = True
            else:
                self._over = True
        elif then is Then.OTHER or not self._may_come_back(candidate, then, error):
            candidate.passed = True

    def answered(self, step: Step) -> None:
        """The call of ``step`` gave an answer."""
        if self._ended(step) is not None:
            step.permit.success()

    def dropped(self, step: Step) -> None:
        """The call of ``step`` was not made, or cancelled (as the slower of two): that says nothing about its target, which may be called later."""
        candidate = self._ended(step)
        if candidate is not None:
            step.permit.neutral()
            if step.purpose in {Purpose.FIRST, Purpose.FALLBACK, Purpose.HEDGE}:
                candidate.tries -= 1

    def expire(self) -> None:
        """The deadline has passed, whatever the clock says: a loop's timers can be some milliseconds early, which are no time for one more call."""
        self.deadline = min(self.deadline, self._breakers.now())

    def give_up_target(self, target: Target) -> None:
        """The answers of ``target`` are of no use: do not come back to it."""
        candidate = self._candidates.get(target.name)
        if candidate is not None:
            candidate.passed = True

    def close(self) -> None:
        """The intent has ended: whatever is still under way says nothing about its target."""
        self._over = True
        for permit in self._open:
            permit.neutral()
        self._open.clear()

    def _end(self, now: float) -> Exhausted | None:
        if self._over:
            return "error"
        if self.left <= 0:
            return "budget"
        return "deadline" if now >= self.deadline else None

    def _eligible(self, purpose: Purpose | None, only: Target | None) -> Iterable[_Place]:
        beside = purpose in _ASKED_DIFFERENTLY
        most = self._retries.max
        for place in self._places:
            candidate = place.candidate
            if candidate.passed or (only is not None and candidate.target.name != only.name):
                continue
            if beside:
                if only is not None or not place.repair_only:
                    yield place
            elif candidate.tries <= most and not self._is_under_way(candidate) and not place.repair_only:
                yield place

    def _take(self, place: _Place, purpose: Purpose | None, now: float, wait_s: float) -> Step | None:
        """The step to the target of ``place``, unless something stands against it now."""
        candidate = place.candidate
        if now + wait_s >= self.deadline:
            self._too_late = True
            return None
        if purpose is Purpose.HEDGE and wait_s > 0:
            return None
        reason = None
        if self.deadline - now - wait_s < place.min_remaining_s:
            reason = MIN_REMAINING
        elif self._busy(candidate.target.name):
            reason = BUSY
        permit = self._breakers.enter(candidate.target.name) if reason is None else None
        if permit is None:
            self._skip(candidate, reason or BREAKER_OPEN)
            return None
        step = Step(candidate.target, self._purpose(candidate, purpose), wait_s, permit)
        self._started = True
        self.left -= 1
        candidate.tries += step.purpose not in _ASKED_DIFFERENTLY
        self._open[permit] = candidate
        return step

    def _wait_for(self, cooling: Iterable[_Place], purpose: Purpose | None, now: float) -> Step | None:
        """Where every other target is out: one that asked to be left alone, if that is not for too long; a little later, as others wait for it too."""
        for place in cooling:
            cools_s = self._breakers.cooling_until(place.candidate.target.name) - now
            if cools_s <= self._retries.retry_after_max_s:
                step = self._take(place, purpose, now, cools_s + self._rand() * self._retries.backoff_s)
                if step is not None:
                    return step
        return None

    def _skip_cooling(self, cooling: Iterable[_Place], step: Step | None) -> None:
        for place in cooling:
            if step is None or step.target.name != place.candidate.target.name:
                self._skip(place.candidate, RATE_LIMITED)

    def _purpose(self, candidate: _Candidate, purpose: Purpose | None) -> Purpose:
        if purpose in _ASKED_DIFFERENTLY or purpose is Purpose.HEDGE:
            return purpose
        if not self._started:
            return Purpose.FIRST
        return Purpose.RETRY if candidate.tries else Purpose.FALLBACK

    def _may_come_back(self, candidate: _Candidate, then: Then, error: GatewayError) -> bool:
        """Note when ``candidate`` can be called again; whether that is soon enough."""
        now = self._breakers.now()
        after = retry_after_s(error.headers)
        if after is not None:
            self._breakers.cool(candidate.target.name, now + min(after, LONGEST_COOLING_S))
            if after > self._retries.retry_after_max_s:
                return False
        elif then is Then.AFTER:
            return False
        # Full jitter, after Amazon's "Exponential Backoff And Jitter" (2015). The exponent is bounded for the float's sake.
        most = min(self._retries.backoff_max_s, self._retries.backoff_s * 2.0 ** min(candidate.failures, 60))
        candidate.failures += 1
        candidate.not_before = max(candidate.not_before, now + self._rand() * most)  # what it asked for itself, it is cooling for
        return True

    def _ended(self, step: Step) -> _Candidate | None:
        return self._open.pop(step.permit, None)

    def _is_under_way(self, candidate: _Candidate) -> bool:
        return bool(self._open) and any(each is candidate and not permit.settled for permit, each in self._open.items())

    def _skip(self, candidate: _Candidate, reason: str) -> None:
        pair = (candidate.target.name, reason)
        if pair not in self.skipped:
            self.skipped.append(pair)
