"""Holds ``docs/confidence.md`` to the code."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway.capabilities.confidence.score import Signals, score
from gateway.capabilities.confidence.signals import SELF_REPORTS
from gateway.settings import ConfidenceWeights
from tests.benchmarks.discrimination import auroc_interval
from tests.benchmarks.labelled_answers import SHIPPED, read

TEXT = Path("docs/confidence.md").read_text(encoding="utf-8")
WEIGHTS = ConfidenceWeights()


def test_the_table_has_the_default_weight_of_every_signal() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (?:evidence|penalty) \| ([0-9.]+) \|$", TEXT, re.MULTILINE)
    assert {name: float(weight) for name, weight in rows} == asdict(WEIGHTS)


def test_the_names_of_self_reports_are_told() -> None:
    assert all(f"`{name}`" in TEXT for name in SELF_REPORTS)


@pytest.mark.parametrize(
    ("signals", "told"),
    [
        (Signals(schema_valid=True), "meets its schema gives 0.83"),
        (Signals(agreement=1.0), "full agreement\n0.90"),
        (Signals(logprobs=1.0, agreement=1.0, schema_valid=True, self_reported=1.0), "at their best 0.95"),
        (Signals(refusal=True), "a refusal gives 0.10"),
    ],
)
def test_the_examples_are_what_the_score_gives(signals: Signals, told: str) -> None:
    value = score(signals, WEIGHTS)
    assert value is not None
    assert told in TEXT
    assert told.endswith(f"{value:.2f}")


def test_the_figures_are_those_of_the_set_that_ships() -> None:
    answers = read(SHIPPED)
    right = [answer.correct for answer in answers]
    value, low, high = auroc_interval([score(answer.signals, WEIGHTS) or 0.0 for answer in answers], right)
    assert f"| score | {value:.3f} ({low:.3f} to {high:.3f}) |" in TEXT
    assert f"region of {len(answers)} cities" in TEXT
    assert f"({sum(right) / len(right):.0%} are)".replace("%", " %") in TEXT
