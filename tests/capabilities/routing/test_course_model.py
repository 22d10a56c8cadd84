"""A course beside the plainest account of what it may do, whatever fails in whatever order and whatever is asked for.

The account knows of each target what was told about it, and says for every step whether it was allowed, and for every end whether one was left.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.capabilities.routing.breakers import Breakers, Permit
from gateway.capabilities.routing.course import Course, Step
from gateway.capabilities.routing.reactions import CONTEXT_LENGTH
from gateway.capabilities.routing.selecting import Considered
from gateway.domain import Purpose
from gateway.errors import (
    GatewayError,
    Overloaded,
    ShuttingDown,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.settings import BreakerLimits, Retries
from tests.capabilities.routing.conftest import Clock, route, target

EPSILON = 1e-9
BESIDE = (Purpose.SAMPLE, Purpose.REPAIR)
PASSING = [
    UpstreamUnavailable("500"),
    UpstreamMalformed("cut"),
    UpstreamRejected("408", upstream_status=408),
    UpstreamUnavailable("503", headers={"Retry-After": "2"}),
    UpstreamRateLimited("429", headers={"retry-after": "3"}),
]
"""May have passed when the target is asked again, for one that may be waited for."""
LASTING = [
    UpstreamTimeout("slow"),
    UpstreamRateLimited("429"),
    UpstreamRateLimited("429", headers={"Retry-After": "100"}),
    UpstreamUnavailable("503", headers={"Retry-After": "100"}),
    UpstreamRejected("401", upstream_status=401),
    UpstreamRejected("400", code=CONTEXT_LENGTH),
    Overloaded("busy"),
]
REJECTED = UpstreamRejected("422", upstream_status=422)
ENDING = [REJECTED, ShuttingDown("bye")]


@dataclass
class Known:
    """What the account knows of a target."""

    usable: bool
    repair_only: bool
    min_remaining_s: float
    gone: bool = False
    busy: bool = False
    tries: int = 0
    retries: int = 0
    failures: int = 0
    not_before: float = 0.0
    cooling_until: float = 0.0
    under_way: list[Step] = field(default_factory=list)


class CourseModel(RuleBasedStateMachine):
    @initialize(
        data=st.data(), attempts=st.integers(1, 12), most=st.integers(0, 3), deadline=st.sampled_from([1, 3, 9, 60, 600]), draw=st.sampled_from([0.0, 0.5, 1.0])
    )
    def begin(self, data: st.DataObject, attempts: int, most: int, deadline: int, draw: float) -> None:
        self.retries = Retries(max=most, backoff_s=0.5, backoff_max_s=2, retry_after_max_s=data.draw(st.sampled_from([3, 10])))
        self.attempts, self.deadline, self.draw, self.over = attempts, float(deadline), draw, False
        self.known: dict[str, Known] = {}
        order = []
        for number in range(data.draw(st.integers(1, 4))):
            usable, mender = data.draw(st.integers(0, 5)) > 0, number > 0 and data.draw(st.integers(0, 3)) == 0
            known = Known(usable, mender, data.draw(st.sampled_from([0.0, 0.0, 5.0])))
            self.known[f"t{number}"] = known
            order.append(Considered(target(f"t{number}"), number, None if usable else "when.labels", known.min_remaining_s, mender))
        self.clock = Clock()
        limits = BreakerLimits(failures=data.draw(st.sampled_from([1, 3, 20, 20])), window_s=20, open_s=4, probes=data.draw(st.integers(1, 2)))
        self.breakers = Breakers(dict.fromkeys(self.known, limits), self.clock)
        self.course = Course(
            route(attempts=attempts, retries=self.retries),
            order,
            self.breakers,
            lambda name: self.known[name].busy,
            deadline=self.deadline,
            rand=lambda: draw,
        )
        self.steps: list[Step] = []
        self.permits: set[Permit] = set()
        self.outside: list[Permit] = []

    # What the account expects.

    def wait_for(self, known: Known, purpose: Purpose | None) -> float | None:
        """Seconds until the target could be called; ``None`` where it may not be waited for."""
        now = self.clock.time
        own = max(0.0, known.not_before - now)
        if known.cooling_until > max(now, known.not_before):
            cools = known.cooling_until - now
            own = cools + self.draw * self.retries.backoff_s if cools <= self.retries.retry_after_max_s else -1.0
        return None if own < 0 or (purpose is Purpose.HEDGE and own > 0) else own

    def could_be(self, name: str, purpose: Purpose | None) -> bool:
        """Whether ``name`` can be called for ``purpose`` now, or after a wait that is allowed."""
        known = self.known[name]
        if known.gone or not known.usable or known.busy or not self.breaker_lets(name):
            return False
        if purpose not in BESIDE and (known.under_way or known.tries > self.retries.max or known.repair_only):
            return False
        wait = self.wait_for(known, purpose)
        return wait is not None and self.clock.time + wait < self.deadline and self.deadline - self.clock.time - wait >= known.min_remaining_s

    def breaker_lets(self, name: str) -> bool:
        permit = self.breakers.enter(name)
        if permit is not None:
            permit.neutral()
        return permit is not None

    # What happens.

    @rule(purpose=st.sampled_from([None, None, None, *BESIDE, Purpose.HEDGE]), named=st.sampled_from([None, None, "t0", "t1", "t3"]))
    def asks(self, purpose: Purpose | None, named: str | None) -> None:
        within = [name for name in self.known if named in {None, name} and not (named is None and self.known[name].repair_only)]
        possible = [name for name in within if self.could_be(name, purpose)]
        alive = not self.over and len(self.steps) < self.attempts and self.clock.time < self.deadline
        first = not self.steps
        step = self.course.next(purpose, None if named is None else target(named))
        assert (step is not None) == (alive and bool(possible)), (self.course.exhausted, possible)
        if step is None:
            assert self.course.exhausted is not None
            assert alive == (self.course.exhausted in {"targets", "deadline"}) or self.clock.time >= self.deadline
            return
        assert self.course.exhausted is None
        assert step.target.name in possible
        known = self.known[step.target.name]
        wait = self.wait_for(known, purpose)
        assert wait is not None
        assert abs(step.wait_s - wait) < EPSILON
        self.checked_purpose(step, known, purpose, first=first)
        known.tries += step.purpose not in BESIDE
        known.retries += step.purpose is Purpose.RETRY
        known.under_way.append(step)
        self.steps.append(step)
        self.permits.add(step.permit)

    @rule(data=st.data(), error=st.sampled_from([*PASSING, *LASTING]), again=st.sampled_from([None, None, *BESIDE, Purpose.HEDGE]))
    def a_call_fails_and_another_is_asked_for(self, data: st.DataObject, error: GatewayError, again: Purpose | None) -> None:
        self.asks(None, None)
        if self.under_way():
            if error in PASSING:
                self.fails_for_now(data, error)
            else:
                self.fails_for_good(data, error)
            self.asks(again, None)

    def checked_purpose(self, step: Step, known: Known, asked: Purpose | None, *, first: bool) -> None:
        found = Purpose.FIRST if first else Purpose.RETRY if known.tries else Purpose.FALLBACK
        assert step.purpose is (asked or found)

    def under_way(self) -> list[Step]:
        return [step for known in self.known.values() for step in known.under_way]

    def ends(self, data: st.DataObject) -> tuple[Step, Known]:
        step = data.draw(st.sampled_from(self.under_way()))
        known = self.known[step.target.name]
        known.under_way.remove(step)
        return step, known

    @precondition(lambda self: bool(self.under_way()))
    @rule(data=st.data(), error=st.sampled_from(PASSING))
    def fails_for_now(self, data: st.DataObject, error: GatewayError) -> None:
        step, known = self.ends(data)
        self.course.failed(step, error)
        after = float(error.headers.get("Retry-After", error.headers.get("retry-after", 0)))
        known.not_before = max(known.not_before, self.clock.time + self.draw * min(2, 0.5 * 2**known.failures))
        known.failures += 1
        known.cooling_until = max(known.cooling_until, self.clock.time + after if after else 0)

    @precondition(lambda self: bool(self.under_way()))
    @rule(data=st.data(), error=st.sampled_from(LASTING))
    def fails_for_good(self, data: st.DataObject, error: GatewayError) -> None:
        step, known = self.ends(data)
        self.course.failed(step, error)
        known.gone = True
        if "Retry-After" in error.headers:
            known.cooling_until = max(known.cooling_until, self.clock.time + 100)

    @precondition(lambda self: bool(self.under_way()))
    @rule(data=st.data(), error=st.sampled_from(ENDING), rare=st.integers(0, 3))
    def fails_everywhere(self, data: st.DataObject, error: GatewayError, rare: int) -> None:
        assume(rare == 0)
        step, known = self.ends(data)
        self.course.failed(step, error)
        known.gone = known.gone or (step.purpose in BESIDE and error is REJECTED)
        self.over = self.over or not (step.purpose in BESIDE and error is REJECTED)

    @precondition(lambda self: bool(self.under_way()))
    @rule(data=st.data(), answered=st.booleans())
    def ends_without_failing(self, data: st.DataObject, answered: bool) -> None:
        step, known = self.ends(data)
        if answered:
            self.course.answered(step)
        else:
            self.course.dropped(step)
            known.tries -= step.purpose in {Purpose.FIRST, Purpose.FALLBACK, Purpose.HEDGE}

    @rule(name=st.sampled_from(["t0", "t1"]), often=st.integers(0, 2))
    def a_target_is_given_up(self, name: str, often: int) -> None:
        assume(name in self.known and often == 0)
        self.known[name].gone = True
        self.course.give_up_target(target(name))

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 4.0, 15.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.time += seconds

    @rule(name=st.sampled_from(["t0", "t1", "t2", "t3"]))
    def a_targets_limit_is_reached_or_not(self, name: str) -> None:
        assume(name in self.known)
        self.known[name].busy = not self.known[name].busy

    @rule(name=st.sampled_from(["t0", "t1"]), failing=st.booleans())
    def another_intent_calls_a_target(self, name: str, failing: bool) -> None:
        assume(name in self.known)
        permit = self.breakers.enter(name)
        if permit is not None and failing:
            permit.failure()
        elif permit is not None:
            self.outside.append(permit)

    @precondition(lambda self: bool(self.outside))
    @rule(answered=st.booleans())
    def another_intents_call_ends(self, answered: bool) -> None:
        permit = self.outside.pop()
        if answered:
            permit.success()
        else:
            permit.failure()

    # What always holds.

    @invariant()
    def the_budget_holds(self) -> None:
        assert len(self.steps) <= self.attempts
        assert self.course.left == self.attempts - len(self.steps)
        assert len(self.permits) == len(self.steps)

    @invariant()
    def no_target_is_retried_more_often_than_allowed(self) -> None:
        assert all(known.retries <= self.retries.max for known in self.known.values())

    @invariant()
    def a_permit_is_open_exactly_while_its_step_is_under_way(self) -> None:
        under_way = self.under_way()
        assert all(step.permit.settled != (step in under_way) for step in self.steps)

    @invariant()
    def each_reason_is_told_once(self) -> None:
        assert len(set(self.course.skipped)) == len(self.course.skipped)


TestCourseModel = CourseModel.TestCase
TestCourseModel.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
