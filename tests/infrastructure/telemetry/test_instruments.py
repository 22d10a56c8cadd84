from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.infrastructure.telemetry.instruments import MAX_SERIES, Counter, Gauge, Histogram, Info, States


def test_a_counter_adds_up_per_combination_of_labels() -> None:
    counter = Counter("things", "Things.", ("kind",), [("never",)])
    counter.add("a")
    counter.add("a", amount=2.5)
    counter.add("b")
    samples = {sample.labels["kind"]: sample.value for sample in counter.collect().samples}
    assert samples == {"never": 0, "a": 3.5, "b": 1}


def test_a_counter_without_labels_is_shown_from_the_start() -> None:
    assert [sample.value for sample in Counter("things", "Things.").collect().samples] == [0]


def test_labels_without_bound_end_as_other() -> None:
    counter, histogram = Counter("things", "Things.", ("kind", "more")), Histogram("sizes", "Sizes.", [1.0], ("kind", "more"))
    for number in range(MAX_SERIES + 50):
        counter.add(str(number), "x")
        histogram.observe(0.5, str(number), "x")
    counts = {tuple(sample.labels.values()): sample.value for sample in counter.collect().samples}
    assert (len(counts), counts["other", "other"]) == (MAX_SERIES + 1, 50)
    sizes = {(sample.labels["kind"], sample.value) for sample in histogram.collect().samples if sample.name == "sizes_count"}
    assert ("other", 50.0) in sizes
    assert len(sizes) == MAX_SERIES + 1


def test_each_thing_is_in_one_of_the_states() -> None:
    states = States("doors", "Doors.", "door", ("open", "shut"))
    assert states.collect().samples == []
    states.set("front", "open")
    states.set("back", "open")
    states.set("front", "shut")
    seen = {(sample.labels["door"], sample.labels["state"]): sample.value for sample in states.collect().samples}
    assert seen == {("front", "open"): 0, ("front", "shut"): 1, ("back", "open"): 1, ("back", "shut"): 0}


@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_histogram_counts_each_value_in_every_bucket_whose_bound_it_does_not_exceed(values: list[float]) -> None:
    bounds = [0.5, 1.0, 10.0]
    histogram = Histogram("sizes", "Sizes.", bounds)
    for value in values:
        histogram.observe(value)
    samples = {(sample.name, sample.labels.get("le")): sample.value for sample in histogram.collect().samples}
    ordered = sorted(values)
    for bound in bounds:
        assert samples["sizes_bucket", repr(bound)] == sum(value <= bound for value in ordered)
    assert samples["sizes_bucket", "+Inf"] == samples["sizes_count", None] == len(values)
    assert samples["sizes_sum", None] == pytest.approx(sum(values))
    assert bisect_left(ordered, bounds[0]) <= samples["sizes_bucket", "0.5"]


def test_a_gauge_and_an_info_show_their_value() -> None:
    gauge, info = Gauge("level", "Level."), Info("revision", "Revision.", "sha")
    assert list(info.collect().samples) == []
    gauge.value, info.value = 3, "abc"
    assert [sample.value for sample in gauge.collect().samples] == [3]
    assert [(sample.labels, sample.value) for sample in info.collect().samples] == [({"sha": "abc"}, 1)]
