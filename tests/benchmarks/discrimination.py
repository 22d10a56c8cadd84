"""How well a number tells right answers from wrong ones: the area under the ROC curve with its interval, the Brier score and the calibration error."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple


class Interval(NamedTuple):
    """A value with the range that holds it in 95 of 100 resamples."""

    value: float
    low: float
    high: float


def auroc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """The probability that a right answer has a higher score than a wrong one, a tie counting half: 0.5 for a constant.

    Raises:
        ValueError: All answers are right, or all are wrong.
    """
    rights = sum(right)
    wrongs = len(right) - rights
    if not rights or not wrongs:
        raise ValueError("AUROC needs right answers and wrong ones")
    # Mann-Whitney: the sum of the ranks of the right answers, equal scores sharing the mean of theirs.
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks, at = 0.0, 0
    while at < len(order):
        end = at
        while end < len(order) and scores[order[end]] == scores[order[at]]:
            end += 1
        ranks += (at + end + 1) / 2 * sum(right[index] for index in order[at:end])
        at = end
    return (ranks - rights * (rights + 1) / 2) / (rights * wrongs)


def auroc_interval(scores: Sequence[float], right: Sequence[bool], resamples: int = 1_000, seed: int = 1) -> Interval:
    """AUROC with its percentile bootstrap interval of 95 %. Right and wrong answers are drawn apart, so that every resample has both."""
    drawn = random.Random(seed)
    groups = [[index for index, good in enumerate(right) if good is wanted] for wanted in (True, False)]
    values = []
    for _ in range(resamples):
        indices = [index for group in groups for index in drawn.choices(group, k=len(group))]
        values.append(auroc([scores[index] for index in indices], [right[index] for index in indices]))
    values.sort()
    cut = resamples // 40
    return Interval(auroc(scores, right), values[cut], values[-1 - cut])


def brier(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Mean squared distance between score and truth: 0 is perfect, always saying the share of right answers is the least for a constant."""
    return sum((score - good) ** 2 for score, good in zip(scores, right, strict=True)) / len(scores)


def calibration_error(scores: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: by how much the share of right answers differs from the mean score, over bins of equal width."""
    error = 0.0
    for bin_ in range(bins):
        inside = [index for index, score in enumerate(scores) if min(int(score * bins), bins - 1) == bin_]
        error += abs(sum(scores[index] - right[index] for index in inside))
    return error / len(scores)
