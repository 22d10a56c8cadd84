from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import Route, load
from gateway.surfaces.cli.route_words import about, in_order, number, usd

WriteConfig = Callable[..., Path]
RouteOf = Callable[[str], Route]
MORE = """\
  second: {base_url: 'http://192.0.2.1/v1', model: m}
  backup: {base_url: 'http://192.0.2.1/v1', model: m}
schemas: {order: {}}
routes:
"""


@pytest.fixture
def route_of(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> RouteOf:
    def compiled(route: str) -> Route:
        return load(write_config(good_text, ("routes:\n", f"{MORE}  r: {route}\n")), good_env).routes["r"]

    return compiled


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("{target: second}", "second"),
        ("{targets: [{target: second}, {target: backup}]}", "second, else backup"),
        (
            "{targets: [{target: second, weight: 3}, {target: simulated, tier: 1}, {target: backup}]}",
            "second (3 of 4) or simulated (1 of 4), else backup",
        ),
    ],
)
def test_targets_are_told_in_the_order_in_which_they_are_tried(route_of: RouteOf, route: str, said: str) -> None:
    assert in_order(route_of(route)) == said


def test_a_route_that_declares_nothing_has_its_bounds_alone(route_of: RouteOf) -> None:
    assert list(about(route_of("{target: second}"))) == [
        "at most 6 calls in 600 s; 1 retry of each target after up to 0.25 s, doubled up to 8 s; a Retry-After of up to 10 s is waited for"
    ]


def test_all_that_a_route_declares_is_told(route_of: RouteOf) -> None:
    when = "{labels: {data_class: [public, internal]}, without: [US_SSN], max_input_tokens: 8000, max_cost_usd: 0.05, min_remaining_s: 2}"
    route = route_of(
        f"{{targets: [{{target: second}}, {{target: backup, when: {when}}}], attempts: 1, deadline_s: 2.5, retries: {{max: 0}}, "
        "hedge_after_s: 1.5, schema: order, repair: {asks: 2, temperature: 0, target: backup}, "
        "confidence: {samples: 1, logprobs: true}, last_resort: Nobody is here.}"
    )
    assert list(about(route)) == [
        "at most 1 call in 2.5 s; no retries",
        "backup only where label data_class is internal or public, without US_SSN in the request, up to 8,000 tokens of input, up to 0.05 USD, with 2 s left",
        "after 1.5 s without an answer the next target is asked beside",
        "answers meet schema order; one that does not is asked for again 2 times, at temperature 0, of backup",
        "confidence is scored: 1 sample, with token probabilities",
        "last resort: a fixed answer of 15 characters",
    ]


def test_an_answer_is_not_asked_for_again_where_repair_is_off(route_of: RouteOf) -> None:
    assert "answers meet schema order; one that does not is not asked for again" in list(about(route_of("{target: second, schema: order, repair: {asks: 0}}")))


@given(st.integers(0, 10**12))
def test_money_is_told_exactly(microusd: int) -> None:
    said = usd(microusd)
    assert said.endswith(" USD")
    assert Decimal(said.removesuffix(" USD").replace(",", "")) * 1_000_000 == microusd


@pytest.mark.parametrize(("value", "said"), [(9200, "9,200"), (600.0, "600"), (0.25, "0.25"), (1234.5, "1,234.5")])
def test_numbers_have_no_more_digits_than_they_need(value: float, said: str) -> None:
    assert number(value) == said
