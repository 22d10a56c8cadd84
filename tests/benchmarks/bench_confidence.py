"""``make bench-confidence``: how well the score tells right answers from wrong ones on labelled answers, beside each signal alone and a constant.

The labelled answers are those of the file that is named as the argument, else the shipped set. ``docs/confidence.md`` says where that comes from.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.capabilities.confidence.refusals import is_refusal
from gateway.capabilities.confidence.score import NEUTRAL, Signals, score
from gateway.capabilities.confidence.signals import logprob_signal, self_reported, tool_errors
from gateway.settings import ConfidenceWeights
from tests.benchmarks.discrimination import auroc_interval, brier, calibration_error
from tests.benchmarks.labelled_answers import SHIPPED, read

WEIGHTS = ConfidenceWeights()

ALONE: dict[str, Callable[[Signals], float | None]] = {
    "logprobs": lambda signals: signals.logprobs,
    "agreement": lambda signals: signals.agreement,
    "schema, repairs": lambda signals: None if signals.schema_valid is None else signals.schema_valid / (1 + signals.repairs),
    "self_reported": lambda signals: signals.self_reported,
    "truncated": lambda signals: -signals.truncated,
    "refusal": lambda signals: -signals.refusal,
    "fallback": lambda signals: -signals.fallback,
    "tool_errors": lambda signals: -signals.tool_errors,
}
"""Each signal as a number that is higher for better answers; ``None`` where an answer has it not."""


def main(arguments: Sequence[str]) -> None:
    """Print everything."""
    path = Path(arguments[0]) if arguments else SHIPPED
    answers = read(path)
    right = [answer.correct for answer in answers]
    print(f"{len(answers)} labelled answers of {path.name}, {sum(right) / len(right):.0%} right")
    if not arguments:
        print("Their origin: a small classifier of place names, NOT a language model (docs/confidence.md)")
    print(f"\n{'':22}{'answers':>8}{'AUROC':>8}   95 % interval")
    scores = [(score(answer.signals, WEIGHTS), answer.correct) for answer in answers]
    row("score", scores)
    for name, alone in ALONE.items():
        row(f"{name} alone", [(alone(answer.signals), answer.correct) for answer in answers])
    row("a constant", [(NEUTRAL, good) for good in right])
    calibration([(value, good) for value, good in scores if value is not None])
    speed()


def row(name: str, values: Sequence[tuple[float | None, bool]]) -> None:
    """AUROC over the answers that have the value."""
    known = [(value, good) for value, good in values if value is not None]
    scores, right = [value for value, _ in known], [good for _, good in known]
    if len(set(right)) < 2:
        print(f"{name:22}{len(known):>8}       -   (no right answers beside wrong ones have it)")
        return
    value, low, high = auroc_interval(scores, right)
    note = "   the same for all" if len(set(scores)) == 1 and name != "a constant" else ""
    print(f"{name:22}{len(known):>8}{value:>8.3f}   {low:.3f} to {high:.3f}{note}")


def calibration(values: Sequence[tuple[float, bool]]) -> None:
    """Whether the score can be read as a probability. It is made to rank; what it means in numbers has to be measured."""
    scores, right = [value for value, _ in values], [good for _, good in values]
    share = sum(right) / len(right)
    print(f"\nBrier score {brier(scores, right):.3f} (always saying {share:.2f}: {brier([share] * len(right), right):.3f})")
    print(f"Expected calibration error {calibration_error(scores, right):.3f} (10 bins)")


def speed() -> None:
    """CPU of one answer, the best of five runs."""
    message = {"role": "assistant", "content": "The capital of France is Paris, a city of about two million people on the Seine. " * 4}
    choice = {"message": message, "finish_reason": "stop"}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}, {"role": "tool", "content": '{"temperature": 20}'}]
    schema = {"properties": {"confidence": {"type": "number"}}}

    def signals() -> Signals:
        return Signals(
            logprobs=logprob_signal(choice),
            refusal=is_refusal(message),
            self_reported=self_reported({"confidence": 0.5}, schema),
            tool_errors=tool_errors(messages),
            schema_valid=True,
        )

    made = signals()
    print(f"\nReading the signals of an ordinary answer {micros(signals):.1f} us, scoring them {micros(lambda: score(made, WEIGHTS)):.1f} us")


def micros(work: Callable[[], object]) -> float:
    """Microseconds."""
    return min(timeit.repeat(work, number=5_000, repeat=5)) / 5_000 * 1e6


if __name__ == "__main__":
    main(sys.argv[1:])
