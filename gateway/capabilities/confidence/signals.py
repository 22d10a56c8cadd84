"""Signals that are read from the call itself: the model's log probabilities, what its answer says of itself, and tool results that failed.

All of it comes from outside and may be anything: what has another shape than documented is no signal, never an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.domain import Json

LEAST_LOGPROB: Final = -20.0
"""The lowest log probability that a token counts with (2e-9). Providers write -9999 and the like for "not among those listed": a mark, not a measurement."""

SELF_REPORTS: Final = ("confidence", "confidence_score", "certainty")
"""The names of a property that counts as self-reported confidence; the first that the schema declares as a number."""

_STRUCTURE: Final = ' \t\r\n{}[]",:'
"""A token of nothing else is layout. JSON is full of such tokens at a probability near 1, which would hide how sure the model was of the values."""

_LONGEST_RESULT: Final = 16_384
"""Characters. A longer tool result is judged by its beginning alone: error reports are short."""

_FAILED_TEXT: Final = re.compile(
    r"\s{0,20}(?:[A-Za-z_.]{0,60}(?:Error|ERROR|Exception)(?: ?[:(\[-]| ?[0-9]| (?:calling|executing|invoking|running|while)\b|\s*\Z)"
    r"|Traceback \(most recent call last\))"
)
_MARKS: Final = ("error", "Error", "status", "success", '"ok"')


def logprob_signal(choice: Json) -> float | None:
    """Geometric mean probability of the tokens of a choice's content (``logprobs.content``), in [0, 1]; ``None`` where there are none.

    Tokens of white space and JSON's punctuation alone do not count, unless there is nothing else. A log probability above 0 counts as 0.
    """
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list) or not content:
        return None
    told: list[float] = []
    layout: list[float] = []
    for entry in content:
        value = _number(entry.get("logprob")) if isinstance(entry, dict) else None
        if value is not None:
            (told if _tells(entry.get("token")) else layout).append(max(min(value, 0.0), LEAST_LOGPROB))
    counted = told or layout
    return min(math.exp(sum(counted) / len(counted)), 1.0) if counted else None


def _tells(token: object) -> bool:
    """Whether a token is more than layout."""
    return not isinstance(token, str) or token.isalnum() or token.strip(_STRUCTURE) != ""


def self_reported(value: Any, schema: Json | None) -> float | None:
    """What a structured answer says of its own confidence, in [0, 1]: a number at the top level whose name is one of ``SELF_REPORTS``.

    The schema has to declare it. Its ``minimum`` and ``maximum`` are the ends of the scale, 0 and 1 where it does not say; a number off the scale is ``None``.
    """
    declared = schema.get("properties") if schema is not None else None
    if not isinstance(value, dict) or not isinstance(declared, dict):
        return None
    for name in SELF_REPORTS:
        if isinstance(shape := declared.get(name), dict) and (said := _number(value.get(name))) is not None:
            least, most = _end(shape.get("minimum"), 0.0), _end(shape.get("maximum"), 1.0)
            return (said - least) / (most - least) if least <= said <= most and most > least else None
    return None


def tool_errors(messages: Sequence[Any]) -> int:
    """How many tool results after the last message of the user report an error.

    One does if it is a JSON object whose ``error`` is not empty, whose ``is_error`` is true, whose ``success`` or ``ok`` is false, whose ``status`` (or
    ``status_code``) is 400 or above, or ``error`` or ``failed``; or a text that begins as error messages do: ``Error:``, ``ValueError:``, ``Traceback``.
    """
    count = 0
    for message in reversed(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role == "user":
            break
        if role in {"tool", "function"}:
            count += _failed(message.get("content"))
    return count


def _failed(content: object) -> bool:
    if isinstance(content, list):
        content = next((part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)), None)
    if not isinstance(content, str):
        return False
    if not content[:20].lstrip().startswith("{"):
        return _FAILED_TEXT.match(content[:200]) is not None
    if len(content) > _LONGEST_RESULT or not any(mark in content for mark in _MARKS):
        return False
    try:
        result = orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return _reports_error(result)


def _reports_error(result: Mapping[str, Any]) -> bool:
    if result.get("error") or True in (result.get("is_error"), result.get("isError")):
        return True
    if any(result.get(name) is False for name in ("success", "ok")):
        return True
    status = next((result[name] for name in ("status", "status_code", "statusCode") if name in result), None)
    return (type(status) is int and 400 <= status < 600) or status in {"error", "failed"} if isinstance(status, int | str) else False


def _number(value: object) -> float | None:
    """A finite number, or ``None``. Integers too long for a float are none either."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return float(value) if type(value) is int and -(2**62) < value < 2**62 else None


def _end(value: object, default: float) -> float:
    number = _number(value)
    return default if number is None else number
