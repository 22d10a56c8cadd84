"""Labelled answers: lines of JSON that say what is known of an answer and whether it was right, read into signals as the gateway reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from gateway.capabilities.confidence.agreement import agreement
from gateway.capabilities.confidence.refusals import is_refusal
from gateway.capabilities.confidence.score import Signals
from gateway.capabilities.confidence.signals import logprob_signal, self_reported, tool_errors
from tests.data.confidence.make_regions import FILE, SCHEMA

SHIPPED = FILE


class Labelled(NamedTuple):
    signals: Signals
    correct: bool


def read(path: Path) -> list[Labelled]:
    """A file's answers: lines of ``{"correct", "signals"}``, or those of the shipped set.

    Raises:
        ValueError: A line is neither.
    """
    labelled = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            labelled.append(_ready(row) if "signals" in row else _shipped(row))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}:{number}: no labelled answer ({error!r}); docs/confidence.md has the fields") from error
    return labelled


def _ready(row: dict[str, Any]) -> Labelled:
    if not isinstance(row["correct"], bool):
        raise TypeError("correct is not true or false")
    return Labelled(Signals(**row["signals"]), row["correct"])


def _shipped(row: dict[str, Any]) -> Labelled:
    """The answer given is the one that agrees most with the others, as in the gateway."""
    texts = ["".join(token for token, _ in answer["tokens"]) for answer in row["answers"]]
    agreed, index = agreement(texts)
    given = row["answers"][index]
    message = {"role": "assistant", "content": texts[index]}
    tokens = [{"token": token, "logprob": value} for token, value in given["tokens"]]
    messages = [{"role": "user", "content": row["question"]}, {"role": "tool", "content": row["tool"]}]
    signals = Signals(
        logprobs=logprob_signal({"message": message, "logprobs": {"content": tokens}}),
        agreement=agreed,
        schema_valid=given["valid"],
        repairs=given["repairs"],
        self_reported=self_reported(json.loads(texts[index]), SCHEMA) if given["valid"] is not None else None,
        refusal=is_refusal(message),
        fallback=row["fallback"],
        tool_errors=tool_errors(messages),
    )
    return Labelled(signals, given["correct"])
