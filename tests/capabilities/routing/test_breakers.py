from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from gateway.capabilities.routing.breakers import Breakers, Permit, State
from gateway.settings import BreakerLimits
from tests.capabilities.routing.conftest import Clock

LIMITS = BreakerLimits(failures=3, window_s=10, open_s=5, probes=2)

# At a time: what is done ("ok", "fail", "neutral" is a call with that verdict; "enter" one that stays under way; "ok:NAME" ends the one entered as
# "enter:NAME"), and what the state is then. "refused" is a call that the breaker does not let through.
LIVES: dict[str, list[tuple[float, str, State]]] = {
    "failures within the window open it": [(0, "fail", "closed"), (5, "fail", "closed"), (10, "fail", "open"), (14.9, "refused", "open")],
    "failures that are older do not count": [(0, "fail", "closed"), (5, "fail", "closed"), (10.1, "fail", "closed"), (10.2, "fail", "open")],
    "an answer between failures ends their row": [
        *((at, what, "closed") for at, what in enumerate(("fail", "fail", "ok", "fail", "fail", "ok", "fail", "fail"))),
        (8, "fail", "open"),
    ],
    "what says nothing does not count": [(0, "fail", "closed"), (1, "fail", "closed"), (2, "neutral", "closed"), (3, "neutral", "closed")],
    "one probe that succeeds closes it": [(0, "fail", "closed"), (0, "fail", "closed"), (0, "fail", "open"), (5, "ok", "closed"), (5, "ok", "closed")],
    "one probe that fails opens it again for as long": [
        *((0.0, "fail", state) for state in ("closed", "closed", "open")),
        (6, "fail", "open"),
        (10.9, "refused", "open"),
        (11, "ok", "closed"),
    ],
    "after it has closed, failures are counted from none": [
        *((0.0, "fail", state) for state in ("closed", "closed", "open")),
        (5, "ok", "closed"),
        (6, "fail", "closed"),
        (6, "fail", "closed"),
        (6, "fail", "open"),
    ],
    "there are so many probes at once and no more": [
        *((0.0, "fail", state) for state in ("closed", "closed", "open")),
        (5, "enter:one", "half_open"),
        (5, "enter:two", "half_open"),
        (600, "refused", "half_open"),
        (601, "neutral:one", "half_open"),
        (601, "enter:three", "half_open"),
        (601, "refused", "half_open"),
        (602, "ok:three", "closed"),
    ],
    "a call from before it opened does not close it": [
        (0, "enter:old", "closed"),
        *((0.0, "fail", state) for state in ("closed", "closed", "open")),
        (1, "ok:old", "open"),
        (5, "neutral", "half_open"),
    ],
    "a call from before it opened does not fail a probe": [
        (0, "enter:old", "closed"),
        *((0.0, "fail", state) for state in ("closed", "closed", "open")),
        (5, "enter:probe", "half_open"),
        (6, "fail:old", "half_open"),
        (7, "ok:probe", "closed"),
    ],
    "a late probe does not count in the next half-open time": [
        *((0.0, "fail", state) for state in ("closed", "closed", "open")),
        (5, "enter:one", "half_open"),
        (5, "enter:two", "half_open"),
        (6, "fail:one", "open"),
        (11, "enter:three", "half_open"),
        (11, "enter:four", "half_open"),
        (12, "neutral:two", "half_open"),
        (12, "refused", "half_open"),
        (13, "ok:two", "half_open"),
        (14, "ok:four", "closed"),
    ],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_a_breakers_life_in_virtual_time(life: list[tuple[float, str, State]]) -> None:
    clock = Clock()
    breakers = Breakers({"a": LIMITS}, clock)
    under_way: dict[str, Permit] = {}
    for at, what, state in life:
        clock.time = at
        verb, _, name = what.partition(":")
        permit = under_way.get(name) or breakers.enter("a")
        assert (permit is None) == (verb == "refused"), what
        if permit is not None and verb == "enter":
            under_way[name] = permit
        elif permit is not None:
            give(permit, verb)
        assert breakers.state("a") == state, f"{what} at {at}"


def give(permit: Permit, verdict: str) -> None:
    verdicts: dict[str, Callable[[], None]] = {"ok": permit.success, "fail": permit.failure, "neutral": permit.neutral}
    verdicts[verdict]()


@pytest.mark.parametrize("first", ["ok", "fail", "neutral"])
@pytest.mark.parametrize("later", ["ok", "fail", "neutral"])
@pytest.mark.parametrize("half_open", [False, True])
def test_the_first_verdict_of_a_permit_is_the_one_that_counts(first: str, later: str, half_open: bool) -> None:
    clock = Clock()
    breakers = Breakers({"a": BreakerLimits(failures=2 - half_open, window_s=10, open_s=5, probes=1)}, clock)
    if half_open:
        give(entered(breakers), "fail")
        clock.time = 5
    permit = entered(breakers)
    settled = [permit.settled]
    give(permit, first)
    assert [*settled, permit.settled] == [False, True]
    state = breakers.state("a")
    for _ in range(3):
        give(permit, later)
    assert breakers.state("a") == state
    assert state == ({"ok": "closed", "fail": "open", "neutral": "half_open"}[first] if half_open else "closed")
    assert (breakers.enter("a") is None) == (state == "open")


def entered(breakers: Breakers) -> Permit:
    permit = breakers.enter("a")
    assert permit is not None
    return permit


def test_every_change_of_a_state_is_told_once() -> None:
    clock, changes = Clock(), list[tuple[str, str]]()
    breakers = Breakers({"a": BreakerLimits(failures=1, window_s=1, open_s=5), "b": LIMITS}, clock, lambda target, state: changes.append((target, state)))
    entered(breakers).failure()
    clock.time = 5
    assert breakers.state("a") == breakers.state("a") == "half_open"
    entered(breakers).failure()
    clock.time = 10
    entered(breakers).success()
    entered(breakers).success()
    assert changes == [("a", "open"), ("a", "half_open"), ("a", "open"), ("a", "half_open"), ("a", "closed")]
    assert breakers.state("b") == "closed"


def test_a_target_that_asked_to_be_left_alone_is_until_the_latest_time_that_it_named() -> None:
    breakers = Breakers({"a": LIMITS, "b": LIMITS}, Clock())
    breakers.cool("a", 20.0)
    breakers.cool("a", 7.0)
    assert (breakers.cooling_until("a"), breakers.cooling_until("b")) == (20.0, 0.0)
    assert breakers.enter("a") is not None


def test_a_target_that_nobody_configured_has_no_breaker() -> None:
    with pytest.raises(KeyError):
        Breakers({"a": LIMITS}, Clock()).enter("b")


class BreakerModel(RuleBasedStateMachine):
    """A breaker beside the plainest account of what it should do: all that happened, looked through each time. Times are whole seconds."""

    permits = Bundle("permits")

    @initialize(failures=st.integers(1, 4), window=st.integers(1, 10), open_s=st.integers(1, 10), probes=st.integers(1, 3))
    def begin(self, failures: int, window: int, open_s: int, probes: int) -> None:
        self.limits = BreakerLimits(failures=failures, window_s=window, open_s=open_s, probes=probes)
        self.clock = Clock()
        self.changes: list[str] = []
        self.breakers = Breakers({"a": self.limits}, self.clock, lambda _, state: self.changes.append(state))
        self.state, self.opened_at = "closed", 0.0
        self.failed_at: list[float] = []
        self.probes: set[Permit] = set()
        self.current: set[Permit] = set()
        """Permits whose verdict counts still."""

    def goes(self, state: str) -> None:
        self.state, self.failed_at, self.probes, self.current = state, [], set(), set()
        self.opened_at = self.clock.time

    def due(self) -> None:
        if self.state == "open" and self.clock.time >= self.opened_at + self.limits.open_s:
            self.goes("half_open")

    @rule(seconds=st.integers(1, 12))
    def time_passes(self, seconds: int) -> None:
        self.clock.time += seconds

    @rule(target=permits)
    def calls(self) -> Permit | None:
        permit = self.breakers.enter("a")
        self.due()
        allowed = self.state == "closed" or (self.state == "half_open" and len(self.probes) < self.limits.probes)
        assert (permit is not None) == allowed
        if permit is not None:
            self.current.add(permit)
            if self.state == "half_open":
                self.probes.add(permit)
        return permit

    @rule(permit=consumes(permits), verdict=st.sampled_from(["ok", "fail", "fail", "neutral"]))
    def ends(self, permit: Permit | None, verdict: str) -> None:
        if permit is None:
            return
        give(permit, verdict)
        if permit not in self.current:
            return
        self.current.discard(permit)
        self.probes.discard(permit)
        if verdict == "fail":
            self.failed_at.append(self.clock.time)
            recent = [at for at in self.failed_at if at >= self.clock.time - self.limits.window_s]
            if self.state == "half_open" or len(recent) >= self.limits.failures:
                self.goes("open")
        elif verdict == "ok" and self.state == "half_open":
            self.goes("closed")
        elif verdict == "ok":
            self.failed_at = []

    @invariant()
    def the_breaker_is_in_the_state_that_the_account_says(self) -> None:
        seen = self.breakers.state("a")
        self.due()
        assert seen == self.state
        assert (self.changes or ["closed"])[-1] == self.state
        assert len(self.probes) <= self.limits.probes


TestBreakerModel = BreakerModel.TestCase
TestBreakerModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
