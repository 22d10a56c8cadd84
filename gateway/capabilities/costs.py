"""What a call costs: tokens as the provider says or as counted here, prices exact, rounded up once per attempt to whole micro-USD."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Self

from gateway.domain import Json, Usage
from gateway.infrastructure.price_table import price_rows
from gateway.infrastructure.token_counter import TokenCounter

_MOST_TOKENS: Final = 100_000_000
"""More tokens than any context window in the table holds, by far: a provider that reports more is not believed."""

_PER_MESSAGE: Final = 4
"""Tokens that the frame of a message takes, after OpenAI's cookbook "How to count tokens with tiktoken" (3 a message, 1 for the role)."""

_MICRO: Final = 1_000_000

_TIER: Final = re.compile(r"input_cost_per_token_above_([0-9]{1,6})k_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices of a token, as whole numbers of 1/``unit`` micro-USD: exact, and quick to multiply."""

    unit: int
    input: int
    output: int
    cached: int
    """For input that the provider had in its cache."""
    reasoning: int
    """For output that the caller does not see."""

    @classmethod
    def of(cls, paid: Fraction, got: Fraction, cached: Fraction | None = None, reasoning: Fraction | None = None) -> Self:
        """Rates from micro-USD a token (which is USD a million tokens): input, output, and what differs from them."""
        exact = (paid, got, paid if cached is None else cached, got if reasoning is None else reasoning)
        unit = math.lcm(*(rate.denominator for rate in exact))
        whole = [int(rate * unit) for rate in exact]
        return cls(unit=unit, input=whole[0], output=whole[1], cached=whole[2], reasoning=whole[3])

    def cost(self, usage: Usage) -> int:
        """Micro-USD, rounded up."""
        paid, got, _, cached, reasoning = usage
        exact = (paid - cached) * self.input + cached * self.cached + (got - reasoning) * self.output + reasoning * self.reasoning
        return -(-exact // self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model's tokens cost: ``tiers`` are rates for calls with more input than so many tokens, the largest first."""

    rates: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()

    @classmethod
    def per_mtok(cls, input_usd: float | str, output_usd: float | str) -> Self:
        """The price from USD a million tokens, as config states it; a float counts as it is written."""
        return cls(rates=Rates.of(Fraction(str(input_usd)), Fraction(str(output_usd))))

    @classmethod
    def from_row(cls, row: Json) -> Self | None:
        """The price from a row of litellm's table (USD a token); ``None`` where it does not state one by token."""
        rates = _rates(row)
        if rates is None:
            return None
        sizes = sorted((int(found.group(1)) for found in map(_TIER.fullmatch, row) if found), reverse=True)
        tiers = [(size * 1_000, _rates(row, f"_above_{size}k_tokens")) for size in sizes]
        return cls(rates=rates, tiers=tuple((size, tier) for size, tier in tiers if tier is not None))

    def cost_microusd(self, usage: Usage) -> int:
        """The cost of one attempt, rounded up once."""
        rates = next((tier for size, tier in self.tiers if usage.input_tokens > size), self.rates)
        return rates.cost(usage)


def prices_for(models: Iterable[str]) -> dict[str, Price]:
    """Prices of ``models`` from litellm's table; a model without one is left out. Blocking, about 30 ms: once, at the start."""
    priced = {model: Price.from_row(row) for model, row in price_rows(models).items()}
    return {model: price for model, price in priced.items() if price is not None}


class CostMeter:
    """Usage and cost of one target's calls."""

    def __init__(self, price: Price | None, counter: TokenCounter) -> None:
        self._price = price
        self._counter = counter

    @property
    def price(self) -> Price | None:
        """``None`` where nobody knows the price: costs are then ``None`` too, not 0."""
        return self._price

    async def usage(self, reported: object, request: Json, answer: Json) -> Usage:
        """The tokens of an attempt: ``reported`` (an answer's ``usage``) if it makes sense, else counted, in a thread, and marked as estimated."""
        usage = usage_of(reported)
        return await asyncio.to_thread(self.count, request, answer) if usage is None else usage

    def count(self, request: Json, answer: Json) -> Usage:
        """Tokens counted here. Blocking: ``answer`` may be a completion in part, an empty one too."""
        messages = _list(request.get("messages"))
        asked = [messages, request.get("tools"), request.get("input")]
        paid = self._counter.count("\n".join(_texts(asked))) + _PER_MESSAGE * len(messages) + bool(messages) * 3 + _given_tokens(request.get("input"))
        said = [choice.get("message") for choice in _list(answer.get("choices")) if isinstance(choice, dict)]
        return Usage(paid, self._counter.count("\n".join(_texts(said))), estimated=True)

    def cost(self, usage: Usage) -> int | None:
        """Micro-USD, rounded up; ``None`` where the price is not known."""
        return None if self._price is None else self._price.cost_microusd(usage)

    def estimate(self, input_tokens: int, output_tokens: int = 0) -> int | None:
        """Micro-USD for so many tokens; ``None`` where the price is not known."""
        return self.cost(Usage(input_tokens, output_tokens, estimated=True))


def usage_of(reported: object) -> Usage | None:
    """The tokens in a provider's ``usage`` object; ``None`` where it is missing or cannot be true. Details that cannot be true are passed over."""
    if not isinstance(reported, dict):
        return None
    paid, got = _tokens(reported.get("prompt_tokens")), _tokens(reported.get("completion_tokens"))
    if got is None and paid is not None and "completion_tokens" not in reported and reported.get("total_tokens") == paid:
        got = 0  # embeddings have no output
    if paid is None or got is None:
        return None
    cached = _detail(reported, "prompt_tokens_details", "cached_tokens", paid)
    reasoning = _detail(reported, "completion_tokens_details", "reasoning_tokens", got)
    return Usage(paid, got, estimated=False, cached_tokens=cached, reasoning_tokens=reasoning)


def estimate_tokens(body: Json) -> int:
    """About how many tokens a request has: a quarter of the characters of its messages and tools, or of what is to be embedded, and the tokens given as such.

    Cheap, for policy; Chinese, say, has more.
    """
    total = 0
    stack: list[Any] = [body.get("messages"), body.get("tools"), body.get("input")]
    while stack:
        value = stack.pop()
        if type(value) is str:
            total += len(value)
        elif type(value) is dict:
            stack.extend(value.values())
        elif type(value) is list:
            stack.extend(value)
    return total // 4 + bool(total) + _given_tokens(body.get("input"))


def _given_tokens(given: Any) -> int:
    """How many numbers there are in a list, or in the lists within it: the tokens of an input that came as tokens."""
    items = _list(given)
    return sum(_given_tokens(item) if type(item) is list else type(item) is int for item in items)


def _rates(row: Mapping[str, Any], suffix: str = "") -> Rates | None:
    paid = _per_token(row, f"input_cost_per_token{suffix}") or _per_token(row, "input_cost_per_token")
    got = _per_token(row, f"output_cost_per_token{suffix}") or _per_token(row, "output_cost_per_token")
    if paid is None or got is None:
        return None
    return Rates.of(paid, got, _per_token(row, f"cache_read_input_token_cost{suffix}"), _per_token(row, f"output_cost_per_reasoning_token{suffix}"))


def _per_token(row: Mapping[str, Any], key: str) -> Fraction | None:
    value = row.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        return None
    return Fraction(str(value)) * _MICRO


def _tokens(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def _detail(reported: Mapping[str, Any], group: str, name: str, most: int) -> int:
    details = reported.get(group)
    value = _tokens(details.get(name)) if isinstance(details, dict) else None
    return value if value is not None and value <= most else 0


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    """Every string within ``value``, in order."""
    texts: list[str] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) is str:
            texts.append(item)
        elif type(item) in {list, dict}:
            stack.extend(reversed(list(item.values()) if type(item) is dict else item))
    return texts
