"""The measure itself, and what the score reaches on the labelled answers that ship."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.confidence.score import NEUTRAL, score
from gateway.settings import ConfidenceWeights
from tests.benchmarks.bench_confidence import main
from tests.benchmarks.discrimination import auroc, auroc_interval, brier, calibration_error
from tests.benchmarks.labelled_answers import SHIPPED, read

ANSWERS = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9]), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: 0 < sum(r for _, r in rows) < len(rows)
)


@pytest.mark.parametrize(
    ("scores", "right", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [False, False, True, True], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [False, False, True, True], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [False, False, True, True], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 0.75),
        ([0.5, 0.5, 0.9], [False, True, True], 0.75),
    ],
)
def test_auroc_of_known_cases(scores: list[float], right: list[bool], expected: float) -> None:
    assert auroc(scores, right) == pytest.approx(expected)


@given(ANSWERS)
def test_auroc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[float, bool]]) -> None:
    pairs = [(good, bad) for good, right in rows if right for bad, wrong in rows if not wrong]
    expected = sum(1.0 if good > bad else 0.5 if good == bad else 0.0 for good, bad in pairs) / len(pairs)
    assert auroc([value for value, _ in rows], [right for _, right in rows]) == pytest.approx(expected)


def test_auroc_needs_right_answers_and_wrong_ones() -> None:
    with pytest.raises(ValueError, match="right answers and wrong ones"):
        auroc([0.1, 0.2], [True, True])


def test_the_interval_holds_the_value_and_is_the_same_each_time() -> None:
    drawn = random.Random(3)
    right = [drawn.random() < 0.5 for _ in range(200)]
    scores = [drawn.gauss(good, 1.0) for good in right]
    interval = auroc_interval(scores, right, resamples=200)
    assert interval.low < interval.value < interval.high
    assert interval == auroc_interval(scores, right, resamples=200)


def test_calibration_of_known_cases() -> None:
    assert brier([1.0, 0.0], [True, False]) == 0
    assert brier([0.5, 0.5], [True, False]) == 0.25
    assert calibration_error([1.0, 1.0, 0.0], [True, True, False]) == 0
    assert calibration_error([0.9, 0.9], [True, False]) == pytest.approx(0.4)


def test_the_score_tells_right_answers_from_wrong_ones_on_the_set_that_ships() -> None:
    answers = read(SHIPPED)
    right = [answer.correct for answer in answers]
    scores = [value for answer in answers if (value := score(answer.signals, ConfidenceWeights())) is not None]
    interval = auroc_interval(scores, right)
    assert len(scores) == len(answers) > 300
    assert interval.low > 0.5 == auroc([NEUTRAL] * len(right), right)


def test_a_deployment_can_measure_its_own_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.jsonl"
    rows = [{"correct": at % 2 == 0, "signals": {"schema_valid": True, "repairs": at % 2, "agreement": 1 - at % 2 / 2}} for at in range(20)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    main([str(file)])
    printed = capsys.readouterr().out
    assert "20 labelled answers of own.jsonl, 50% right" in printed
    assert "1.000   1.000 to 1.000" in printed


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"correct": 1, "signals": {}}', '{"correct": true, "signals": {"unknown": 1}}', '{"correct": true'])
def test_a_line_that_is_no_labelled_answer_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('{"correct": true, "signals": {}}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"own\.jsonl:2"):
        read(file)
