"""Reading metrics as Prometheus would."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.infrastructure.telemetry.metrics import Metrics

Read = Callable[..., float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


@pytest.fixture
def read(metrics: Metrics) -> Read:
    """The value of a sample, 0 where there is none."""

    def value(name: str, **labels: str) -> float:
        for family in text_string_to_metric_families(metrics.render()[0].decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return 0.0

    return value
