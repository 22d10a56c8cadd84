from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.costs import CostMeter, Price, estimate_tokens, prices_for, usage_of
from gateway.domain import Usage
from gateway.infrastructure.token_counter import TokenCounter

tokens = st.integers(0, 100_000_000)
dollars = st.decimals(0, 1_000, places=6)


@given(tokens, tokens, dollars, dollars)
def test_cost_is_the_exact_product_rounded_up_once(paid: int, got: int, input_usd: Decimal, output_usd: Decimal) -> None:
    cost = Price.per_mtok(str(input_usd), str(output_usd)).cost_microusd(Usage(paid, got, estimated=False))
    exact = Fraction(input_usd) * paid + Fraction(output_usd) * got
    assert cost == math.ceil(exact)
    assert exact <= cost < exact + 1


@given(tokens, st.data())
def test_cached_and_reasoning_tokens_have_their_own_price(paid: int, data: st.DataObject) -> None:
    cached = data.draw(st.integers(0, paid))
    row = {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07, "output_cost_per_reasoning_token": 3e-06}
    price = Price.from_row(row)
    assert price is not None
    cost = price.cost_microusd(Usage(paid, 10, estimated=False, cached_tokens=cached, reasoning_tokens=4))
    assert cost == math.ceil(Fraction(5, 2) * (paid - cached) + Fraction(1, 8) * cached + 6 * 10 + 4 * 3)


def test_a_long_input_has_the_rates_of_its_tier() -> None:
    row = {
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 2e-06,
        "input_cost_per_token_above_200k_tokens": 3e-06,
        "output_cost_per_token_above_200k_tokens": 4e-06,
        "input_cost_per_token_above_500k_tokens": 5e-06,
    }
    price = Price.from_row(row)
    assert price is not None
    assert price.cost_microusd(Usage(200_000, 1, estimated=False)) == 200_002
    assert price.cost_microusd(Usage(200_001, 1, estimated=False)) == 600_007
    assert price.cost_microusd(Usage(500_001, 1, estimated=False)) == 2_500_007


def test_a_price_in_config_counts_as_it_is_written() -> None:
    assert Price.per_mtok(0.15, 0.6) == Price.per_mtok("0.15", "0.60")
    assert Price.per_mtok(0.15, 0.6).cost_microusd(Usage(20, 5, estimated=False)) == 6


@pytest.mark.parametrize(
    "row", [{}, {"input_cost_per_token": 1e-6}, {"input_cost_per_token": "1e-6", "output_cost_per_token": 1}, {"output_cost_per_image": 0.1}]
)
def test_a_row_without_a_price_by_token_is_no_price(row: dict[str, Any]) -> None:
    assert Price.from_row(row) is None


def test_prices_come_from_the_table_with_or_without_the_prefix() -> None:
    prices = prices_for(["gpt-4o-mini", "openai/gpt-4o-mini", "simulated-1", "sample_spec"])
    assert prices.keys() == {"gpt-4o-mini", "openai/gpt-4o-mini"}
    assert prices["gpt-4o-mini"].cost_microusd(Usage(1_000_000, 1_000_000, estimated=False)) == 750_000
    assert prices["gpt-4o-mini"].cost_microusd(Usage(1_000_000, 0, estimated=False, cached_tokens=1_000_000)) == 75_000
    assert prices_for([]) == {}


@pytest.mark.parametrize(
    "reported",
    [
        None,
        [],
        "many",
        {},
        {"prompt_tokens": 1},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": 10**30},
        {"prompt_tokens": 1.0, "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": "1", "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": None, "total_tokens": 1},
        {"prompt_tokens": 1, "total_tokens": 2},
    ],
)
def test_usage_that_cannot_be_true_is_treated_as_absent(reported: object) -> None:
    assert usage_of(reported) is None


@pytest.mark.parametrize(
    ("details", "cached"),
    [({"cached_tokens": 4}, 4), ({"cached_tokens": 11}, 0), ({"cached_tokens": -1}, 0), ({"cached_tokens": None}, 0), (None, 0), ([], 0)],
)
def test_details_that_cannot_be_true_are_passed_over(details: object, cached: int) -> None:
    assert usage_of({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": details}) == Usage(10, 5, estimated=False, cached_tokens=cached)


def test_usage_of_embeddings_has_no_output() -> None:
    assert usage_of({"prompt_tokens": 7, "total_tokens": 7}) == Usage(7, 0, estimated=False)


@pytest.mark.parametrize(("given", "tokens"), [("hello world", 2), (["hello world", "hello"], 4), ([5, 6, 7], 3), ([[5, 6], [7]], 3)])
def test_what_is_to_be_embedded_is_counted_too(given: Any, tokens: int) -> None:
    counted = CostMeter(None, TokenCounter()).count({"input": given}, {})
    assert (abs(counted.input_tokens - tokens) <= 1, counted.output_tokens, counted.estimated) == (True, 0, True)


async def test_usage_is_the_providers_or_counted_and_marked() -> None:
    meter = CostMeter(Price.per_mtok(1, 2), TokenCounter())
    request = {"messages": [{"role": "user", "content": "hello world"}], "tools": None}
    answer = {"choices": [{"message": {"role": "assistant", "content": "hello hello"}}]}
    assert await meter.usage({"prompt_tokens": 9, "completion_tokens": 3}, request, answer) == Usage(9, 3, estimated=False)
    counted = await meter.usage({"prompt_tokens": -9}, request, answer)
    assert counted.estimated
    assert 8 <= counted.input_tokens <= 12
    assert 2 <= counted.output_tokens <= 5
    assert await meter.usage(None, {}, {}) == Usage(0, 0, estimated=True)


def test_an_unknown_price_makes_no_cost_rather_than_none_to_pay() -> None:
    meter = CostMeter(None, TokenCounter())
    assert meter.cost(Usage(10, 10, estimated=False)) is None
    assert meter.estimate(10) is None
    assert CostMeter(Price.per_mtok(1, 1), TokenCounter()).estimate(10) == 10


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 0),
        ({"messages": []}, 0),
        ({"messages": [{"content": "x" * 400}]}, 101),
        ({"messages": [{"content": [{"type": "text", "text": "x" * 396}]}]}, 101),
        ({"messages": [{"content": "x" * 200}], "tools": [{"function": {"description": "y" * 200}}]}, 101),
        ({"messages": "x" * 8}, 3),
        ({"input": "x" * 400}, 101),
        ({"input": ["x" * 200, "y" * 200]}, 101),
        ({"input": [[1, 2, 3], [4]]}, 4),
    ],
)
def test_the_estimate_for_policy_is_a_quarter_of_the_characters(body: dict[str, Any], expected: int) -> None:
    assert estimate_tokens(body) == expected
