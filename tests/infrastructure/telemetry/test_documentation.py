"""docs/telemetry.md names what there is."""

from __future__ import annotations

from pathlib import Path

from gateway.infrastructure.telemetry import semconv
from gateway.infrastructure.telemetry.metrics import Metrics

DOCS = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()


def test_every_metric_of_ours_is_documented_with_its_type(metrics: Metrics) -> None:
    types = [line.split()[2:] for line in metrics.render()[0].decode().splitlines() if line.startswith("# TYPE g")]
    undocumented = [name for name, kind in types if f"| `{name}` | {kind} |" not in DOCS]
    assert len(types) > 20
    assert undocumented == []


def test_every_metric_that_is_documented_exists(metrics: Metrics) -> None:
    shown = metrics.render()[0].decode()
    documented = [
        line.split("`")[1]
        for line in DOCS.splitlines()
        if line.startswith("| `g") and ("| counter |" in line or "| gauge |" in line or "| histogram |" in line)
    ]
    assert [name for name in documented if f"# TYPE {name} " not in shown] == []


def test_every_attribute_of_ours_is_documented() -> None:
    names = [value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str) and value.startswith("gateway.")]
    assert len(names) > 15
    assert [name for name in names if f"`{name}`" not in DOCS] == []
