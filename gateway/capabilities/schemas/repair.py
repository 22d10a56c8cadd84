"""What a model is told about an answer that does not meet its schema: places and keywords of the schema, never a value or a key of the answer."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.capabilities.schemas.model import Failure

_SPECIAL = {
    "json": "it is not one JSON value",
    "size": "it is too large to be checked",
    "depth": "it nests too deeply to be checked",
}


def repair_message(failures: Sequence[Failure], truncated: bool) -> str:
    """The text of the next message to the model. ``truncated``: its answer was cut off at the limit of tokens."""
    lines = ["Your last answer does not meet the JSON Schema that it has to meet."]
    if truncated:
        lines.append("It was cut off because it was too long: give a shorter one, complete to the end.")
    if failures:
        lines.append("What is wrong, as the places in the schema that it does not meet:")
        lines.extend(f"- {_told(failure)}" for failure in failures)
    lines.append("Answer again with the whole JSON value and nothing else: no explanation, no code fence.")
    return "\n".join(lines)


def _told(failure: Failure) -> str:
    if failure.keyword == "false":
        return f"{failure.where or 'the schema'} (nothing is allowed there)"
    if failure.keyword in _SPECIAL and not failure.where:
        return _SPECIAL[failure.keyword]
    return f"{failure.where} ({failure.keyword})"
