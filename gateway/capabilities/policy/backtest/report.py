"""The report as JSON, ``gateway.backtest/v1`` (``docs/policy-backtest.md``). Everything else that is shown is drawn from it.

It holds ids, names and counts; never a value of an input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from gateway.capabilities.policy.backtest.comparing import KINDS, UNCHANGED
from gateway.capabilities.policy.backtest.judging import REASONS
from gateway.capabilities.policy.backtest.running import Outcome
from gateway.capabilities.policy.backtest.tally import EXAMPLES, Example, Tally
from gateway.domain import Json

FORMAT: Final = "gateway.backtest/v1"
DIMENSIONS: Final = ("hook", "tenant", "route", "rule", "change")
_COST_NOTE: Final = (
    "What newly denied intents cost is saved. What newly allowed intents would cost is the median cost of their route in the window, an estimate; "
    "of a route without any cost it is not known. Newly escalated intents count as neither, and a refused answer has been paid for."
)


def as_json(outcome: Outcome) -> Json:
    """The report of a backtest."""
    task, tally = outcome.task, outcome.tally
    replayed = sum(tally.kinds.values())
    return {
        "format": FORMAT,
        "candidate": {"path": str(task.candidate), "revision": outcome.candidate_revision},
        "baseline": {"recorded": task.baseline is None, "path": str(task.baseline) if task.baseline else None, "revision": outcome.baseline_revision},
        "window": {"since": _time(task.window.since_ns), "until": _time(task.window.until_ns), "days": round(task.window.days, 6)},
        "tenants": sorted(task.tenants),
        "hooks": sorted(hook.value for hook in task.hooks),
        "limit": task.limit,
        "records": tally.records,
        "decisions": tally.decisions,
        "replayed": replayed,
        "outcomes": {kind: _kind(tally, kind, told, replayed) for kind, told in KINDS.items()},
        "not_replayable": {
            "count": sum(tally.apart.values()),
            "share": _share(sum(tally.apart.values()), tally.decisions),
            "reasons": {reason: _kind(tally, reason, told, tally.decisions) for reason, told in REASONS.items() if tally.apart[reason]},
            "missing_paths": _ordered(tally.missing),
        },
        "completed": {"count": tally.completed, "paths": _ordered(tally.added)},
        "cost": _cost(tally),
        "human_load": _load(tally, task.window.days),
        "run": {
            "seconds": round(outcome.seconds, 3),
            "decisions_per_s": round(tally.decisions / outcome.seconds) if outcome.seconds else 0,
            "evaluated": tally.evaluated,
            "slower_than_live_limit": tally.slow,
            "workers": outcome.workers,
        },
    }


def _kind(tally: Tally, kind: str, told: str, of: int) -> Json:
    count = tally.kinds[kind] + tally.apart[kind]
    found: Json = {"meaning": told, "count": count, "share": _share(count, of)}
    for dimension in DIMENSIONS:
        names = Counter({name: many for (side, of_kind, name), many in tally.by.items() if side == dimension and of_kind == kind})
        if names or dimension in {"hook", "tenant", "route"}:
            found[f"by_{dimension}"] = _ordered(names)
    if kind != UNCHANGED:
        found["examples"] = [_example(example) for example in sorted(tally.examples.get(kind, ()), reverse=True)[:EXAMPLES]]
    return found


def _example(example: Example) -> Json:
    return {
        "record": example.intent_id,
        "tenant": example.tenant,
        "route": example.route,
        "hook": example.hook,
        "before": example.before,
        "after": example.after,
        "rules": list(example.rules),
        "changes": list(example.changes),
    }


def _cost(tally: Tally) -> Json:
    estimated, unknown = 0.0, Counter[str]()
    for route, many in tally.unpriced.items():
        median = _median((cost, count) for (of, cost), count in tally.costs.items() if of == route)
        if median is None:
            unknown[route] += many
        else:
            estimated += median * many
    return {
        "recorded_usd": _usd(tally.recorded_microusd),
        "saved_usd": _usd(tally.saved_microusd),
        "added_usd": _usd(tally.added_microusd + estimated),
        "added_estimated_usd": _usd(estimated),
        "change_usd": _usd(tally.added_microusd + estimated - tally.saved_microusd),
        "newly_allowed_without_estimate": _ordered(unknown),
        "note": _COST_NOTE,
    }


def _load(tally: Tally, days: float) -> Json:
    before, after = tally.escalated_before, tally.escalated_after
    return {
        "escalations_before": before,
        "escalations_after": after,
        "per_day_before": round(before / days, 3) if days else 0.0,
        "per_day_after": round(after / days, 3) if days else 0.0,
    }


def _median(costs: Iterable[tuple[int, int]]) -> int | None:
    """The lower median of values with their counts."""
    ordered = sorted(costs)
    half = (sum(count for _, count in ordered) + 1) // 2
    for cost, count in ordered:
        half -= count
        if half <= 0:
            return cost
    return None


def _ordered(counts: Counter[Any]) -> dict[str, int]:
    """The most frequent first; alike by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _share(count: int, of: int) -> float:
    return round(count / of, 6) if of else 0.0


def _usd(microusd: float) -> float:
    return round(microusd / 1e6, 6)


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="seconds")
