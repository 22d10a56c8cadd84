"""``--fail-if``: a condition on the report, ``METRIC OP NUMBER[%]``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from gateway.domain import Json

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM: Final = re.compile(r"\s*([A-Za-z_]+)\s*(>=|<=|==|!=|>|<)\s*(-?[0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(%?)\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure of the report, and what it can be a percentage of."""

    told: str
    path: tuple[str, ...]
    whole: tuple[str, ...] | None = ("replayed",)


METRICS: Final[Mapping[str, Metric]] = {
    "new_denies": Metric(told="decisions newly denied", path=("outcomes", "newly_denied", "count")),
    "new_allows": Metric(told="decisions newly allowed", path=("outcomes", "newly_allowed", "count")),
    "new_escalations": Metric(told="decisions newly escalated", path=("outcomes", "newly_escalated", "count")),
    "changed_obligations": Metric(told="decisions allowed under other obligations", path=("outcomes", "changed_obligations", "count")),
    "changed_reasons": Metric(told="decisions refused or escalated by other rules", path=("outcomes", "changed_reasons", "count")),
    "unchanged": Metric(told="decisions that stay as they were", path=("outcomes", "unchanged", "count")),
    "not_replayable": Metric(told="decisions that could not be replayed", path=("not_replayable", "count"), whole=("decisions",)),
    "decisions": Metric(told="decisions in the window", path=("decisions",), whole=None),
    "replayed": Metric(told="decisions that were replayed", path=("replayed",), whole=("decisions",)),
    "cost_change_usd": Metric(told="change in cost, in USD", path=("cost", "change_usd"), whole=("cost", "recorded_usd")),
    "escalations_per_day": Metric(told="escalations a day under the candidate", path=("human_load", "per_day_after"), whole=("human_load", "per_day_before")),
}
"""What a condition can be about. A percentage is of the decisions that were replayed, where nothing else is said: ``not_replayable`` and ``replayed`` are of
all decisions, ``cost_change_usd`` of the recorded cost, ``escalations_per_day`` of what it was."""
_NEEDS_NOTHING: Final = frozenset({"decisions", "replayed", "not_replayable"})
"""These say something even where nothing was replayed."""


class ConditionError(Exception):
    """The condition cannot be understood, or cannot be judged; the message says what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition that lets a backtest fail."""

    text: str
    metric: str
    sign: str
    bound: float
    percent: bool

    def judge(self, report: Json) -> Json:
        """The condition with its figure, and whether the backtest fails by it.

        Raises:
            ConditionError: Nothing was replayed, so that the figure says nothing.
        """
        if not report["replayed"] and self.metric not in _NEEDS_NOTHING:
            raise ConditionError(f"--fail-if {self.text!r} cannot be judged: no decision was replayed (a condition on replayed or decisions can be)")
        metric = METRICS[self.metric]
        value = float(_at(report, metric.path))
        if self.percent and metric.whole is not None:
            whole = float(_at(report, metric.whole))
            value = 100 * value / whole if whole else (0.0 if not value else float("inf"))
        failed = _OPERATORS[self.sign](value, self.bound)
        shown = None if value == float("inf") else round(value, 6)
        return {"condition": self.text, "value": shown, "unit": "%" if self.percent else "", "failed": failed}


def parse_condition(text: str) -> Condition:
    """The condition that ``text`` states.

    Raises:
        ConditionError: It states none.
    """
    match = _FORM.match(text)
    if match is None:
        raise ConditionError(f"--fail-if {text!r}: write METRIC OP NUMBER[%], such as 'new_denies > 0.5%'; OP is one of {' '.join(_OPERATORS)}; {_metrics()}")
    name, sign, number, percent = match.groups()
    if name not in METRICS:
        near = get_close_matches(name, METRICS, 1)
        raise ConditionError(f"--fail-if {text!r}: there is no metric {name}{f', did you mean {near[0]}?' if near else ''}; {_metrics()}")
    if percent and METRICS[name].whole is None:
        raise ConditionError(f"--fail-if {text!r}: {name} is no part of anything, so it has no percentage")
    return Condition(text=text.strip(), metric=name, sign=sign, bound=float(number), percent=bool(percent))


def _metrics() -> str:
    return f"metrics: {', '.join(METRICS)}"


def _at(report: Json, path: tuple[str, ...]) -> Any:
    node: Any = report
    for step in path:
        node = node[step]
    return node
