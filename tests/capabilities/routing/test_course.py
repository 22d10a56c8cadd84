from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.capabilities.routing.breakers import Breakers
from gateway.capabilities.routing.course import LONGEST_COOLING_S, Course, Step
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

DOWN = UpstreamUnavailable("503", upstream_status=503)
SLOW = UpstreamTimeout("slow")
WRONG = UpstreamRejected("400", upstream_status=400)
NEVER_OPEN = BreakerLimits(failures=10_000)


def limited(seconds: int | None = None) -> UpstreamRateLimited:
    return UpstreamRateLimited("429", headers={} if seconds is None else {"Retry-After": str(seconds)})


class Walk:
    """A course with everything around it."""

    def __init__(
        self,
        *targets: str | Considered,
        attempts: int = 6,
        deadline: float = 600.0,
        retries: Retries | None = None,
        breaker: BreakerLimits = NEVER_OPEN,
        rand: Callable[[], float] = lambda: 0.5,
    ) -> None:
        order = [each if isinstance(each, Considered) else Considered(target(each), place, None) for place, each in enumerate(targets, 1)]
        self.clock = Clock()
        self.busy: set[str] = set()
        self.breakers = Breakers({each.target.name: breaker for each in order}, self.clock)
        self.course = Course(
            route(attempts=attempts, retries=retries),
            order,
            self.breakers,
            self.busy.__contains__,
            deadline=deadline,
            rand=rand,
        )

    def step(self, *how: Any) -> Step:
        step = self.course.next(*how)
        assert step is not None, self.course.exhausted
        return step

    def told(self, *how: Any) -> tuple[str, str] | str | None:
        """The next step as its target and purpose, or why there is none. Its wait passes."""
        step = self.course.next(*how)
        if step is None:
            return self.course.exhausted
        self.clock.time += step.wait_s
        return step.target.name, step.purpose.value

    def failing(self, error: GatewayError, *how: Any) -> tuple[str, str] | str | None:
        """As ``told``, and the call fails."""
        step = self.course.next(*how)
        if step is None:
            return self.course.exhausted
        self.clock.time += step.wait_s
        self.course.failed(step, error)
        return step.target.name, step.purpose.value


STORIES: dict[str, tuple[tuple[str, ...], dict[str, Any], GatewayError, list[tuple[str, str] | str]]] = {
    "a target is called again before the next one is": (
        ("a", "b"),
        {},
        DOWN,
        [("a", "first"), ("a", "retry"), ("b", "fallback"), ("b", "retry"), "targets"],
    ),
    "the budget ends it whatever it was used for": (("a", "b"), {"attempts": 3}, DOWN, [("a", "first"), ("a", "retry"), ("b", "fallback"), "budget"]),
    "without retries the next one comes at once": (("a", "b"), {"retries": Retries(max=0)}, DOWN, [("a", "first"), ("b", "fallback"), "targets"]),
    "a malformed answer may have been an accident": (("a",), {}, UpstreamMalformed("cut"), [("a", "first"), ("a", "retry"), "targets"]),
    "a slow target is not asked again": (("a", "b"), {}, SLOW, [("a", "first"), ("b", "fallback"), "targets"]),
    "a busy one gives way": (("a", "b"), {}, Overloaded("busy"), [("a", "first"), ("b", "fallback"), "targets"]),
    "a limit without a time gives way": (("a", "b"), {}, limited(), [("a", "first"), ("b", "fallback"), "targets"]),
    "a limit with a short time is waited for where nobody else is left": (
        ("a", "b"),
        {},
        limited(9),
        [("a", "first"), ("b", "fallback"), ("a", "retry"), ("b", "retry"), "targets"],
    ),
    "a limit with a long time gives way": (("a", "b"), {}, limited(11), [("a", "first"), ("b", "fallback"), "targets"]),
    "a wrong key is wrong here alone": (("a", "b"), {}, UpstreamRejected("401", upstream_status=401), [("a", "first"), ("b", "fallback"), "targets"]),
    "what is too long here may fit elsewhere": (("a", "b"), {}, UpstreamRejected("400", code=CONTEXT_LENGTH), [("a", "first"), ("b", "fallback"), "targets"]),
    "a wrong request is wrong everywhere": (("a", "b"), {}, WRONG, [("a", "first"), "error", "error"]),
    "a gateway that stops asks nobody": (("a", "b"), {}, ShuttingDown("bye"), [("a", "first"), "error"]),
    "no target, no step": ((), {}, DOWN, ["targets"]),
}


@pytest.mark.parametrize(("targets", "options", "error", "wanted"), STORIES.values(), ids=STORIES.keys())
def test_what_is_called_when_every_call_fails_alike(
    targets: tuple[str, ...], options: Mapping[str, Any], error: GatewayError, wanted: list[tuple[str, str] | str]
) -> None:
    walk = Walk(*targets, **options)
    assert [walk.failing(error) for _ in wanted] == wanted


@pytest.mark.parametrize(
    ("rand", "retries", "waits"),
    [
        (0.0, Retries(max=3, backoff_s=1), [0, 0, 0, 0]),
        (0.5, Retries(max=3, backoff_s=1), [0, 0.5, 1, 2]),
        (1.0, Retries(max=5, backoff_s=1, backoff_max_s=4), [0, 1, 2, 4, 4, 4]),
        (1.0, Retries(max=2, backoff_s=10, backoff_max_s=4), [0, 4, 4]),
    ],
)
def test_waits_double_up_to_their_most_and_are_drawn_between_none_and_all_of_it(rand: float, retries: Retries, waits: list[float]) -> None:
    walk = Walk("a", attempts=20, retries=retries, rand=lambda: rand)
    seen = []
    while (step := walk.course.next()) is not None:
        seen.append(step.wait_s)
        walk.clock.time += step.wait_s
        walk.course.failed(step, DOWN)
    assert seen == pytest.approx(waits)


@pytest.mark.parametrize("error", [limited(3), UpstreamUnavailable("503", headers={"retry-after": "3"})], ids=["429", "503"])
def test_a_target_is_not_asked_again_before_the_time_that_it_named(error: GatewayError) -> None:
    walk = Walk("a", rand=lambda: 0.0)
    walk.failing(error)
    walk.clock.time = 1.0
    assert walk.step().wait_s == 2.0


def test_time_that_has_passed_since_the_failure_is_not_waited_for_again() -> None:
    walk = Walk("a", retries=Retries(backoff_s=4))
    walk.failing(DOWN)
    walk.clock.time = 1.5
    assert walk.step().wait_s == 0.5
    assert walk.course.remaining_s == 598.5


def test_a_target_that_asked_to_be_left_alone_is_by_other_intents_too() -> None:
    walk = Walk("a", "b")
    walk.failing(limited(30))
    other = Walk("a", "b")
    other.clock, other.breakers = walk.clock, walk.breakers
    other.course = Course(route(), [Considered(target(name), 1, None) for name in "ab"], walk.breakers, other.busy.__contains__, deadline=600, rand=lambda: 0.5)
    assert other.told() == ("b", "first")
    assert other.course.skipped == [("a", "target.rate_limited")]


@pytest.mark.parametrize(("seconds", "wait"), [(8.0, 8.125), (10.0, 10.125), (10.5, None)])
def test_where_all_others_are_out_a_target_that_asked_for_a_short_time_is_waited_for(seconds: float, wait: float | None) -> None:
    walk = Walk("a", "b")
    walk.busy.add("b")
    walk.breakers.cool("a", seconds)
    step = walk.course.next()
    assert (step and (step.target.name, step.wait_s)) == (None if wait is None else ("a", wait))
    assert walk.course.skipped == [("b", "target.busy"), *([("a", "target.rate_limited")] if wait is None else [])]


def test_no_target_is_left_alone_for_days() -> None:
    walk = Walk("a")
    walk.failing(limited(999_999))
    assert walk.breakers.cooling_until("a") == LONGEST_COOLING_S


def test_nothing_begins_at_the_deadline_and_no_wait_passes_it() -> None:
    walk = Walk("a", "b", deadline=10, retries=Retries(backoff_s=8, retry_after_max_s=60), rand=lambda: 1.0)
    walk.clock.time = 2
    walk.failing(DOWN)
    fallback = walk.step()  # the retry would begin at the deadline
    assert (fallback.target.name, fallback.wait_s) == ("b", 0)
    walk.course.dropped(fallback)
    walk.clock.time = 9.999
    assert walk.told() == ("b", "fallback")
    walk.clock.time = 10
    assert walk.told() == "deadline"
    assert walk.course.remaining_s == 0


def test_where_only_a_wait_is_in_the_way_the_deadline_is_why() -> None:
    walk = Walk("a", deadline=5, retries=Retries(backoff_s=5), rand=lambda: 1.0)
    walk.failing(DOWN)
    assert walk.told() == "deadline"


def test_what_stands_against_a_target_now_is_told_once() -> None:
    order = [Considered(target("a"), 1, None), Considered(target("b"), 2, "when.labels"), Considered(target("c"), 3, None, min_remaining_s=700.0)]
    walk = Walk(*order, breaker=BreakerLimits(failures=1))
    walk.busy.add("a")
    assert [walk.told(), walk.told()] == ["targets", "targets"]
    walk.busy.clear()
    permit = walk.breakers.enter("a")
    assert permit is not None
    permit.failure()
    assert walk.told() == "targets"
    assert walk.course.skipped == [("b", "when.labels"), ("a", "target.busy"), ("c", "when.min_remaining_s"), ("a", "breaker.open")]


def test_a_target_whose_hindrance_has_passed_has_its_turn() -> None:
    walk = Walk("a", "b")
    walk.busy.add("a")
    assert walk.failing(SLOW) == ("b", "first")
    walk.busy.clear()
    assert walk.told() == ("a", "fallback")


def test_the_time_that_must_be_left_is_what_is_left_after_the_wait() -> None:
    order = [Considered(target("a"), 1, None, min_remaining_s=5.0), Considered(target("b"), 2, None)]
    walk = Walk(*order, deadline=10, retries=Retries(backoff_s=6), rand=lambda: 1.0)
    assert walk.failing(DOWN) == ("a", "first")
    assert walk.told() == ("b", "fallback")


def test_a_target_can_have_two_places_with_conditions_of_their_own() -> None:
    order = [Considered(target("a"), 1, "when.labels"), Considered(target("b"), 2, None), Considered(target("a"), 3, None)]
    walk = Walk(*order, retries=Retries(max=0))
    assert [walk.failing(SLOW) for _ in range(3)] == [("b", "first"), ("a", "fallback"), "targets"]
    again = Walk(Considered(target("a"), 1, None, min_remaining_s=599.0), *order[1:], retries=Retries(max=0))
    again.clock.time = 2
    assert [again.failing(SLOW) for _ in range(3)] == [("b", "first"), ("a", "fallback"), "targets"]


@pytest.mark.parametrize(
    ("error", "state"), [(DOWN, "open"), (SLOW, "open"), (WRONG, "closed"), (limited(1), "closed"), (Overloaded("busy"), "closed"), (None, "closed")]
)
def test_the_breaker_learns_what_the_target_is_to_blame_for(error: GatewayError | None, state: str) -> None:
    walk = Walk("a", breaker=BreakerLimits(failures=1))
    step = walk.step()
    if error is None:
        walk.course.answered(step)
    else:
        walk.course.failed(step, error)
    assert step.permit.settled
    assert walk.breakers.state("a") == state


def test_a_retry_does_not_pass_a_breaker_that_its_failure_opened() -> None:
    walk = Walk("a", "b", breaker=BreakerLimits(failures=1))
    assert [walk.failing(DOWN), walk.failing(DOWN), walk.failing(DOWN)] == [("a", "first"), ("b", "fallback"), "targets"]


def test_samples_go_beside_each_other_to_the_target_that_is_named_and_count() -> None:
    walk = Walk("a", "b", attempts=4, retries=Retries(max=0))
    first = walk.step()
    walk.course.answered(first)
    samples = [walk.step(Purpose.SAMPLE, first.target), walk.step(Purpose.SAMPLE, first.target)]
    assert [(step.target.name, step.purpose, step.wait_s) for step in samples] == [("a", "sample", 0)] * 2
    assert walk.course.left == 1
    walk.course.failed(samples[0], SLOW)
    assert walk.course.next(Purpose.SAMPLE, first.target) is None
    assert walk.course.exhausted == "targets"
    walk.course.answered(samples[1])
    assert walk.told() == ("b", "fallback")


def test_a_repair_that_is_rejected_does_not_condemn_the_request() -> None:
    walk = Walk("a", "b")
    walk.course.answered(walk.step())
    assert walk.failing(WRONG, Purpose.REPAIR, target("a")) == ("a", "repair")
    assert walk.told(Purpose.REPAIR, target("a")) == "targets"
    assert walk.told() == ("b", "fallback")


def test_a_repair_goes_to_the_target_for_repairs_and_nothing_else_does() -> None:
    walk = Walk("a", Considered(target("mender"), 2, None, repair_only=True), retries=Retries(max=0))
    walk.course.answered(walk.step())
    assert walk.told(Purpose.REPAIR, target("mender")) == ("mender", "repair")
    walk.course.give_up_target(target("a"))
    assert [walk.told(), walk.told(Purpose.HEDGE), walk.told(Purpose.SAMPLE), walk.told(Purpose.REPAIR)] == ["targets"] * 4


def test_a_repair_never_goes_where_policy_does_not_let_it() -> None:
    walk = Walk("a", Considered(target("mender"), 2, "policy.routes", repair_only=True))
    assert walk.told(Purpose.REPAIR, target("mender")) == "targets"
    assert walk.told(Purpose.REPAIR, target("stranger")) == "targets"


def test_a_target_that_was_given_up_is_not_asked_for_anything() -> None:
    walk = Walk("a", "b")
    walk.course.answered(walk.step())
    walk.course.give_up_target(target("a"))
    walk.course.give_up_target(target("stranger"))
    assert walk.told(Purpose.REPAIR, target("a")) == "targets"
    assert walk.told() == ("b", "fallback")


def test_a_hedge_goes_to_another_target_than_those_under_way_and_does_not_wait() -> None:
    walk = Walk("a", "b", "c", retries=Retries(backoff_s=5))
    slow = walk.step()
    assert walk.failing(DOWN, Purpose.HEDGE) == ("b", "hedge")
    assert walk.told(Purpose.HEDGE) == ("c", "hedge")
    assert walk.told(Purpose.HEDGE) == "targets"
    walk.course.failed(slow, SLOW)
    assert walk.told() == ("b", "retry")


def test_a_hedge_does_not_wait_for_a_target_that_asked_to_be_left_alone() -> None:
    walk = Walk("a", "b")
    walk.breakers.cool("b", 1.0)
    walk.step()
    assert walk.told(Purpose.HEDGE) == "targets"


def test_a_call_that_was_dropped_says_nothing_and_its_target_may_be_called_later() -> None:
    walk = Walk("a", "b", retries=Retries(max=0), breaker=BreakerLimits(failures=1))
    slow, hedge = walk.step(), walk.step(Purpose.HEDGE)
    walk.course.answered(hedge)
    walk.course.dropped(slow)
    walk.course.give_up_target(hedge.target)
    assert slow.permit.settled
    assert walk.breakers.state("a") == "closed"
    assert walk.told() == ("a", "fallback")
    assert walk.course.left == 3


def test_dropping_retries_does_not_make_more_of_them() -> None:
    walk = Walk("a")
    walk.failing(DOWN)
    walk.course.dropped(walk.step())
    assert walk.told() == "targets"


@pytest.mark.parametrize("how", ["failed", "answered", "dropped"])
def test_a_step_ends_once(how: str) -> None:
    walk = Walk("a", retries=Retries(max=2), breaker=BreakerLimits(failures=2))
    step = walk.step()
    walk.course.failed(step, DOWN)
    ends: dict[str, Callable[[], None]] = {
        "failed": lambda: walk.course.failed(step, WRONG),
        "answered": lambda: walk.course.answered(step),
        "dropped": lambda: walk.course.dropped(step),
    }
    ends[how]()
    assert walk.failing(DOWN) == ("a", "retry")
    assert walk.breakers.state("a") == "open"


def test_closing_a_course_frees_the_probes_that_it_holds() -> None:
    walk = Walk("a", breaker=BreakerLimits(failures=1, open_s=5))
    walk.failing(DOWN)
    walk.clock.time = 5
    walk.step()
    assert walk.breakers.enter("a") is None
    walk.course.close()
    assert walk.told() == "error"
    assert walk.breakers.enter("a") is not None


def test_a_permit_that_was_settled_aside_of_the_course_frees_its_target() -> None:
    walk = Walk("a")
    walk.step().permit.neutral()
    assert walk.told() == ("a", "retry")


def test_the_latest_time_that_a_target_named_is_the_one_that_counts() -> None:
    walk = Walk("a", rand=lambda: 0.0)
    steps = [walk.step(), walk.step(Purpose.SAMPLE, target("a"))]
    for step, error in zip(steps, (limited(9), DOWN), strict=True):
        walk.course.failed(step, error)
    assert walk.step().wait_s == 9


def test_a_target_whose_time_is_just_what_is_waited_for_is_waited_for() -> None:
    walk = Walk("a", retries=Retries(max=2, retry_after_max_s=9))
    assert [walk.failing(limited(9)), walk.failing(limited(10)), walk.failing(DOWN)] == [("a", "first"), ("a", "retry"), "targets"]


def test_without_a_target_named_a_repair_goes_along_the_order_without_the_one_for_repairs() -> None:
    walk = Walk("a", Considered(target("mender"), 2, None, repair_only=True), "c")
    walk.course.give_up_target(target("a"))
    assert walk.told(Purpose.REPAIR) == ("c", "repair")
