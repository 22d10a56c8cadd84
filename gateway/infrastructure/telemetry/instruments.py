"""Counters, gauges and histograms whose update is a dict or list increment, shown to prometheus_client only when it asks.

An update of prometheus_client's own takes three to five times as long (a lock and several calls), which adds up to a tenth of an intent's
floor. Each series is written by one thread; reading copies what it shows. A metric keeps at most ``MAX_SERIES`` series; what comes on top
is counted under ``other``, so that no mistake of a caller can fill memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

MAX_SERIES = 1000
"""The most label combinations of one metric."""

Labels = tuple[str, ...]


class _Values(dict[Labels, float]):
    """Values by labels; an unknown combination starts at 0 while there is room, else it is ``other``."""

    def __missing__(self, labels: Labels) -> float:
        return 0.0

    def key(self, labels: Labels) -> Labels:
        """The series to write to."""
        return labels if labels in self or len(self) < MAX_SERIES else ("other",) * len(labels)


class Counter:
    """Only grows."""

    __slots__ = ("_labels", "_values", "help", "name")

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = (), start: Iterable[Labels] = ()) -> None:
        self.name = name
        self.help = help_text
        self._labels = labels
        self._values = _Values()
        self._values.update((key, 0.0) for key in (start if labels else [()]))

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Count ``amount``, which is not negative."""
        values = self._values
        if labels not in values:
            labels = values.key(labels)
        values[labels] += amount

    def collect(self) -> Metric:
        """The family as it is now."""
        family = CounterMetricFamily(self.name, self.help, labels=self._labels)
        for labels, value in list(self._values.items()):
            family.add_metric(labels, value)
        return family


class Gauge:
    """Goes up and down; without labels."""

    __slots__ = ("help", "name", "value")

    def __init__(self, name: str, help_text: str) -> None:
        self.name = name
        self.help = help_text
        self.value = 0.0

    def collect(self) -> Metric:
        """The family as it is now."""
        return GaugeMetricFamily(self.name, self.help, value=self.value)


class States:
    """Which of a few states each of several things is in: a series for each pair, 1 for the state that it is in, else 0."""

    __slots__ = ("_label", "_states", "_values", "help", "name")

    def __init__(self, name: str, help_text: str, label: str, states: Sequence[str]) -> None:
        self.name = name
        self.help = help_text
        self._label = label
        self._states = states
        self._values: dict[str, str] = {}

    def set(self, thing: str, state: str) -> None:
        """``thing`` is in ``state`` now."""
        self._values[thing] = state

    def collect(self) -> Metric:
        """The family as it is now."""
        family = GaugeMetricFamily(self.name, self.help, labels=[self._label, "state"])
        for thing, current in list(self._values.items()):
            for state in self._states:
                family.add_metric([thing, state], 1.0 if state == current else 0.0)
        return family


class Info:
    """A gauge of 1 whose label tells what is in force, such as a revision."""

    __slots__ = ("_label", "help", "name", "value")

    def __init__(self, name: str, help_text: str, label: str) -> None:
        self.name = name
        self.help = help_text
        self._label = label
        self.value: str | None = None

    def collect(self) -> Metric:
        """The family as it is now; empty until there is a value."""
        family = GaugeMetricFamily(self.name, self.help, labels=[self._label])
        if self.value is not None:
            family.add_metric([self.value], 1)
        return family


class Histogram:
    """Observations in buckets with inclusive upper bounds."""

    __slots__ = ("_bounds", "_labels", "_series", "help", "name")

    def __init__(self, name: str, help_text: str, bounds: Sequence[float], labels: Sequence[str] = ()) -> None:
        self.name = name
        self.help = help_text
        self._bounds = tuple(bounds)
        self._labels = labels
        # Per series the count of each bucket, of what lies above the last, and at the end the sum.
        self._series: dict[Labels, list[float]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count one observation."""
        series = self._series.get(labels)
        if series is None:
            series = self._new(labels)
        series[bisect_left(self._bounds, value)] += 1
        series[-1] += value

    def _new(self, labels: Labels) -> list[float]:
        key = labels if len(self._series) < MAX_SERIES else ("other",) * len(labels)
        return self._series.setdefault(key, [0.0] * (len(self._bounds) + 2))

    def collect(self) -> Metric:
        """The family as it is now, with cumulated buckets."""
        family = HistogramMetricFamily(self.name, self.help, labels=self._labels)
        for labels, series in list(self._series.items()):
            counts = list(series)
            total = 0.0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*self._bounds, float("inf")), counts, strict=False):
                total += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), total))
            family.add_metric(labels, buckets, counts[-1])
        return family


Instrument = Counter | Gauge | States | Info | Histogram
