from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.routing.selecting import REASONS, Considered, Estimate, RoutingFacts, consider, drawn, settled, with_windows
from gateway.settings import Condition, Repair, Route, RouteTarget, Target
from tests.capabilities.routing.conftest import entry, names, route, target

DRAWS = 20_000


def facts(of: Route, **changed: Any) -> RoutingFacts:
    asked: dict[str, Any] = {"route": of, "labels": {}, "categories": frozenset(), "input_tokens": 100, "output_tokens": 50, "seed": "intent-1"}
    return RoutingFacts(**asked | changed)


def free(_: Target) -> Estimate:
    return lambda asked, answered: 0


def priced(asked: Target) -> Estimate:
    """A micro-USD per token of input and two per token of output; nobody knows what the target ``unknown`` costs."""
    return lambda paid, got: None if asked.name == "unknown" else paid + 2 * got


def skipped(when: Condition, *, context_tokens: int | None = None, **changed: Any) -> str | None:
    return consider(facts(route(entry("a", when=when, context_tokens=context_tokens)), **changed), priced)[0].skipped


LABELLED = Condition(labels={"data_class": frozenset({"public", "internal"}), "region": frozenset({"eu"})})


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"data_class": "public", "region": "eu"}, None),
        ({"data_class": "internal", "region": "eu", "other": "x"}, None),
        ({"data_class": "secret", "region": "eu"}, "when.labels"),
        ({"data_class": "public"}, "when.labels"),
        ({}, "when.labels"),
    ],
)
def test_a_label_that_is_not_set_to_one_of_the_values_keeps_a_target_out(labels: Mapping[str, str], reason: str | None) -> None:
    assert skipped(LABELLED, labels=labels) == reason


@pytest.mark.parametrize(
    ("granted", "reasons"),
    [
        (None, [None, None]),
        (("assistant",), [None, None]),
        (("other", "assistant/b"), ["policy.routes", None]),
        (("assistant/a", "assistant/b"), [None, None]),
        (("other", "a", "other/a", "assistant/"), ["policy.routes", "policy.routes"]),
        ((), ["policy.routes", "policy.routes"]),
    ],
)
def test_policy_grants_a_whole_route_or_some_of_its_targets(granted: tuple[str, ...] | None, reasons: list[str | None]) -> None:
    order = consider(facts(route(entry("a", 1), entry("b", 2)), granted=granted), free)
    assert [each.skipped for each in order] == reasons


@pytest.mark.parametrize(("found", "reason"), [((), None), (("EMAIL_ADDRESS",), None), (("EMAIL_ADDRESS", "US_SSN"), "when.without")])
def test_a_category_that_was_found_keeps_a_target_out_that_is_for_requests_without_it(found: tuple[str, ...], reason: str | None) -> None:
    assert skipped(Condition(without=frozenset({"US_SSN", "IBAN_CODE"})), categories=frozenset(found)) == reason


@pytest.mark.parametrize(
    ("window", "most", "asked", "answer", "reason"),
    [
        (None, None, 10_000_000, 10_000_000, None),
        (150, None, 100, 50, None),
        (149, None, 100, 50, "context_length"),
        (149, None, 100, 0, None),
        (None, 100, 100, 5_000, None),
        (None, 99, 100, 0, "when.max_input_tokens"),
        (99, 99, 100, 0, "context_length"),
    ],
)
def test_a_request_goes_where_it_fits_with_the_longest_answer_that_it_asks_for(
    window: int | None, most: int | None, asked: int, answer: int, reason: str | None
) -> None:
    assert skipped(Condition(max_input_tokens=most), context_tokens=window, input_tokens=asked, output_tokens=answer) == reason


@pytest.mark.parametrize(
    ("name", "most", "reason"), [("a", 200, None), ("a", 199, "when.max_cost"), ("a", 0, "when.max_cost"), ("unknown", 10**9, "when.max_cost")]
)
def test_a_call_that_may_cost_more_or_nobody_knows_how_much_is_not_made(name: str, most: int, reason: str | None) -> None:
    of = route(entry(name, when=Condition(max_cost_microusd=most)))
    assert consider(facts(of), priced)[0].skipped == reason


def test_only_targets_with_a_limit_of_cost_are_priced() -> None:
    asked: list[str] = []

    def costs(of: Target) -> Estimate:
        asked.append(of.name)
        return free(of)

    consider(facts(route(entry("a"), entry("b", 2, when=Condition(max_cost_microusd=5)))), costs)
    assert asked == ["b"]


def test_the_first_reason_is_the_one_that_is_told() -> None:
    everything = Condition(labels={"x": frozenset({"y"})}, without=frozenset({"US_SSN"}), max_input_tokens=1, max_cost_microusd=1)
    changes: dict[str, Any] = {"granted": (), "labels": {}, "categories": frozenset({"US_SSN"}), "input_tokens": 100, "output_tokens": 50}
    mended: list[tuple[str, Any]] = [("granted", None), ("labels", {"x": "y"}), ("categories", frozenset())]
    told = [skipped(everything, context_tokens=10, **changes)]
    for name, value in mended:
        changes[name] = value
        told.append(skipped(everything, context_tokens=10, **changes))
    told.append(skipped(everything, **changes))
    told.append(skipped(everything, **(changes | {"input_tokens": 1})))
    assert tuple(told) == REASONS


def test_targets_come_by_tier_with_their_conditions_of_time() -> None:
    of = route(entry("a", 1, when=Condition(min_remaining_s=5.0)), entry("b", 2), entry("c", 7))
    assert [(each.target.name, each.tier, each.min_remaining_s) for each in consider(facts(of), free)] == [("a", 1, 5.0), ("b", 2, 0.0), ("c", 7, 0.0)]


@pytest.mark.parametrize(
    ("asks", "repairer", "granted", "wanted"),
    [
        (1, "mender", None, [("a", None, False), ("mender", None, True)]),
        (1, "mender", ("assistant/a",), [("a", None, False), ("mender", "policy.routes", True)]),
        (1, "a", None, [("a", None, False)]),
        (1, None, None, [("a", None, False)]),
        (0, "mender", None, [("a", None, False)]),
    ],
)
def test_a_target_for_repairs_alone_comes_last_and_needs_policys_leave_too(
    asks: int, repairer: str | None, granted: tuple[str, ...] | None, wanted: list[tuple[str, str | None, bool]]
) -> None:
    of = route(entry("a"), repair=Repair(asks=asks, temperature=None, target=None if repairer is None else target(repairer)))
    order = consider(facts(of, granted=granted), free)
    assert [(each.target.name, each.skipped, each.repair_only) for each in order] == wanted


WEIGHTED = (entry("a", 1, 5), entry("b", 1, 3), entry("c", 1, 2), entry("d", 2, 1))


def test_first_places_are_drawn_by_weight() -> None:
    firsts = Counter(names(drawn(WEIGHTED, f"intent-{number}"))[0] for number in range(DRAWS))
    assert {name: round(count / DRAWS, 1) for name, count in firsts.items()} == {"a": 0.5, "b": 0.3, "c": 0.2}
    assert all(abs(firsts[name] / DRAWS - share) < 0.012 for name, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)))  # over three standard deviations


def test_second_places_are_drawn_by_the_weights_that_are_left() -> None:
    after_a = [order[1] for number in range(DRAWS) if (order := names(drawn(WEIGHTED, f"intent-{number}")))[0] == "a"]
    assert abs(after_a.count("b") / len(after_a) - 0.6) < 0.016
    assert set(after_a) == {"b", "c"}


def test_a_tier_ends_before_the_next_begins() -> None:
    assert {names(drawn(WEIGHTED, f"intent-{number}"))[3] for number in range(1_000)} == {"d"}


def test_a_draw_can_be_told_again_from_its_seed() -> None:
    assert names(drawn(WEIGHTED, "intent-4711")) == names(drawn(WEIGHTED, "intent-4711"))
    assert len({tuple(names(drawn(WEIGHTED, f"intent-{number}"))) for number in range(200)}) == 6


tiers = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 1_000_000)), min_size=1, max_size=8)


@given(tiers, st.text(), st.data())
def test_any_order_is_a_permutation_by_tier_and_stays_when_targets_are_left_out(shape: list[tuple[int, int]], seed: str, data: st.DataObject) -> None:
    entries: list[RouteTarget] = [entry(f"t{number}", tier, weight) for number, (tier, weight) in enumerate(sorted(shape))]
    order = drawn(entries, seed)
    assert sorted(names(order)) == sorted(names(entries))
    assert [each.tier for each in order] == sorted(each.tier for each in entries)
    kept = data.draw(st.sets(st.sampled_from(names(entries))))
    left = [each for each in entries if each.target.name in kept]
    assert names(drawn(left, seed)) == [name for name in names(order) if name in kept]


def test_windows_that_the_config_does_not_state_are_filled_in_by_model() -> None:
    of = route(entry("a", 1), entry("b", 2, context_tokens=50), entry("c", 3), repair=Repair(asks=1, temperature=None, target=target("a")))
    filled = with_windows(of, {"model-of-a": 1_000, "model-of-b": 2_000})
    assert [each.target.context_tokens for each in filled.targets] == [1_000, 50, None]
    assert filled.repair.target is not None
    assert filled.repair.target.context_tokens == 1_000
    assert with_windows(route(entry("c")), {}) == route(entry("c"))


def test_a_considered_target_needs_only_its_place_and_what_stands_against_it() -> None:
    assert Considered(target("a"), 1, None)[3:] == (0.0, False)


@given(st.lists(st.tuples(st.integers(1, 3), st.none() | st.integers(100, 400)), min_size=1, max_size=4), st.integers(0, 400), st.integers(0, 400), st.text())
def test_a_settled_order_is_what_considering_any_request_that_fits_gives(shape: list[tuple[int, int | None]], asked: int, cap: int, seed: str) -> None:
    of = route(*(entry(f"t{at}", tier=tier, context_tokens=window) for at, (tier, window) in enumerate(sorted(shape, key=lambda each: each[0]))))
    known = settled(of)
    tiers = [tier for tier, _ in shape]
    assert (known is None) == (len(set(tiers)) < len(tiers))
    if known is not None and (known.window is None or asked + cap <= known.window):
        assert known.order == consider(facts(of, input_tokens=asked, output_tokens=cap, seed=seed, granted=("assistant",)), free)


@pytest.mark.parametrize("when", [LABELLED, Condition(without=frozenset({"US_SSN"})), Condition(max_input_tokens=10), Condition(min_remaining_s=1.0)])
def test_an_order_with_a_condition_is_never_settled(when: Condition) -> None:
    assert settled(route(entry("a", when=when))) is None
