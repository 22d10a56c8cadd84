from __future__ import annotations

import pickle
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.backtest.judging import Apart
from gateway.capabilities.policy.backtest.recorded import Said
from gateway.capabilities.policy.backtest.tally import EXAMPLES, Tally
from tests.capabilities.policy.backtest.outcomes import SIDES, asked

EVENTS = st.lists(st.tuples(st.sampled_from([*SIDES, "erased"]), st.sampled_from(["acme", "globex"]), st.none() | st.integers(0, 10**9)), max_size=60)


def counted(events: list[tuple[int, tuple[str, str, int | None]]]) -> Tally:
    tally = Tally()
    for number, (kind, tenant, cost) in events:
        one = asked(number, tenant=tenant, cost_microusd=cost)
        tally.add_record(one.route, cost)
        if kind == "erased":
            tally.set_apart(one, Apart("erased"))
        else:
            before, after = (Said(outcome=outcome, obligations={}) for outcome in SIDES[kind])
            tally.compare(one, (before, after), kind, ["a.rule"], [])
    return tally


def told(tally: Tally) -> dict[str, object]:
    return {name: getattr(tally, name) for name in Tally.__slots__ if name != "examples"} | {
        "examples": {kind: sorted(examples, reverse=True)[:EXAMPLES] for kind, examples in tally.examples.items()}
    }


@given(EVENTS, st.lists(st.integers(0, 60), max_size=4))
def test_tallies_of_parts_add_up_to_that_of_the_whole(events: list[tuple[str, str, int | None]], cuts: list[int]) -> None:
    numbered = list(enumerate(events))
    whole, sum_of_parts = counted(numbered), Tally()
    edges = [0, *sorted(cuts), len(numbered)]
    parts = [numbered[start:end] for start, end in pairwise(edges)]
    for part in reversed(parts):
        sum_of_parts.merge(pickle.loads(pickle.dumps(counted(part))))
    assert told(sum_of_parts) == told(whole)
    assert whole.decisions == sum(whole.kinds.values()) + sum(whole.apart.values()) == len(events)
    assert whole.by == Counter({key: count for key, count in whole.by.items() if count > 0})


def test_examples_are_the_newest_and_no_more_than_that() -> None:
    tally = counted([(number, ("newly_denied", "acme", None)) for number in range(100)])
    kept = sorted(tally.examples["newly_denied"], reverse=True)
    assert [example.intent_id for example in kept] == [asked(number).intent_id for number in range(99, 89, -1)]
