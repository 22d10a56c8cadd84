"""Routes in words, for ``gateway check`` and ``gateway routes``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from gateway.settings import Condition, Repair, Retries, Route, RouteTarget


def in_order(route: Route) -> str:
    """Its targets as they are tried: ``primary (3 of 4) or second (1 of 4), else backup``."""
    tiers = [list(entries) for _, entries in groupby(route.targets, key=lambda entry: entry.tier)]
    return ", else ".join(_tier(entries) for entries in tiers)


def _tier(entries: list[RouteTarget]) -> str:
    total = sum(entry.weight for entry in entries)
    shares = [f"{entry.target.name} ({entry.weight} of {total})" for entry in entries]
    return " or ".join(shares) if len(entries) > 1 else entries[0].target.name


def about(route: Route) -> Iterator[str]:
    """How it answers, a line for each thing that was declared and one for the bounds of all of it."""
    yield budget(route)
    yield from (f"{entry.target.name} only {conditions(entry.when)}" for entry in route.targets if entry.when != Condition())
    if route.hedge_after_s is not None:
        yield f"after {number(route.hedge_after_s)} s without an answer the next target is asked beside"
    if route.schema is not None:
        yield f"answers meet schema {route.schema.name}; {repair(route.repair)}"
    if route.assessment is not None:
        logprobs = ", with token probabilities" if route.assessment.logprobs else ""
        yield f"confidence is scored: {plural(route.assessment.samples, 'sample')}{logprobs}"
    if route.last_resort is not None:
        yield f"last resort: a fixed answer of {number(len(route.last_resort))} characters"


def budget(route: Route) -> str:
    """The bounds of all calls together, and of those of one target."""
    return f"at most {plural(route.attempts, 'call')} in {number(route.deadline_s)} s; {_retries(route.retries)}"


def _retries(retries: Retries) -> str:
    if not retries.max:
        return "no retries"
    waits = f"after up to {number(retries.backoff_s)} s, doubled up to {number(retries.backoff_max_s)} s"
    return f"{plural(retries.max, 'retry', 'retries')} of each target {waits}; a Retry-After of up to {number(retries.retry_after_max_s)} s is waited for"


def repair(declared: Repair) -> str:
    """What is done about an answer that breaks its schema."""
    if not declared.asks:
        return "one that does not is not asked for again"
    temperature = "" if declared.temperature is None else f", at temperature {number(declared.temperature)}"
    of = "" if declared.target is None else f", of {declared.target.name}"
    return f"one that does not is asked for again {'once' if declared.asks == 1 else f'{declared.asks} times'}{temperature}{of}"


def conditions(when: Condition) -> str:
    """What has to hold, in the order in which it is looked at."""
    parts = [f"where label {name} is {' or '.join(sorted(values))}" for name, values in when.labels.items()]
    if when.without:
        parts.append(f"without {', '.join(sorted(when.without))} in the request")
    if when.max_input_tokens is not None:
        parts.append(f"up to {number(when.max_input_tokens)} tokens of input")
    if when.max_cost_microusd is not None:
        parts.append(f"up to {usd(when.max_cost_microusd)}")
    if when.min_remaining_s is not None:
        parts.append(f"with {number(when.min_remaining_s)} s left")
    return ", ".join(parts)


def usd(microusd: int) -> str:
    """Money as people read it: ``0.000135 USD``."""
    whole, rest = divmod(microusd, 1_000_000)
    return f"{whole:,}{f'.{rest:06}'.rstrip('0') if rest else ''} USD"


def number(value: float) -> str:
    """``9,200``, and no more digits than it was written with."""
    return f"{value:,}" if isinstance(value, int) or not value.is_integer() else f"{int(value):,}"


def plural(count: int, one: str, more: str | None = None) -> str:
    """``1 call``, ``6 calls``."""
    return f"{number(count)} {one if count == 1 else more or f'{one}s'}"
