"""A streamed answer: redacted and restored chunk by chunk, with both transcripts, the caller's and the record's, from the same segments."""

from __future__ import annotations

from typing import Any

from gateway.capabilities.redaction.places import UNKNOWN, merged
from gateway.capabilities.redaction.shapes import ANSWER, Role
from gateway.capabilities.redaction.stream_choice import ChoiceStream
from gateway.capabilities.redaction.stream_fields import StreamContext
from gateway.domain import FindingCount, Json

_PADDING = "obfuscation"
"""Random characters by which a provider hides the length of a chunk; they say nothing of the chunk that leaves here."""

_SCALARS = frozenset({str, int, float, bool, type(None)})
_MOST_KNOWN = 64
_NOTHING = object()


class ChatStream:
    """One streamed chat completion. ``json``: the content is a JSON text.

    An exception from here means that the stream must end: nothing of the chunk may leave.
    """

    def __init__(self, context: StreamContext, *, json: bool) -> None:
        self._context = context
        self._json = json
        self._choices: dict[Any, ChoiceStream] = {}
        self._known: dict[str, Any] = {}

    def push(self, chunk: Json) -> Json:
        """Redact one ``chat.completion.chunk`` in place and return it. A choice's finish brings all that was held of it."""
        chunk.pop(_PADDING, None)
        known = self._known
        for key in [key for key, value in chunk.items() if key != "choices" and known.get(key, _NOTHING) != value]:
            self._frame(chunk, key, chunk[key])
        choices = chunk.get("choices")
        if isinstance(choices, list):
            self._push_choices(choices)
        elif choices is not None:
            self._frame(chunk, "choices", choices)
        return chunk

    def close(self) -> None:
        """The stream ended. What a choice without a finish still holds is not for the caller; the record has it."""
        for choice in self._choices.values():
            choice.drop()

    @property
    def findings(self) -> tuple[FindingCount, ...]:
        """What the model brought so far, merged by category and place; values that the caller itself sent only if they are secrets."""
        return merged(self._context.found)

    @property
    def redactions(self) -> dict[str, int]:
        """How often a value was hidden from the caller so far, by category."""
        return self._context.caller.hidden

    @property
    def logprobs_dropped(self) -> bool:
        """Whether log probabilities were left out because they would spell what was hidden or restored."""
        return any(choice.logprobs_dropped for choice in self._choices.values())

    def caller_choices(self) -> list[Json]:
        """What the caller got so far, in the form of ``transcript.choices``."""
        return [choice.released for choice in self._choices.values()]

    def record_choices(self) -> list[Json]:
        """What the record keeps, in the form of ``transcript.choices``."""
        return [choice.kept for choice in self._choices.values()]

    def _push_choices(self, choices: list[Any]) -> None:
        for position, choice in enumerate(choices):
            if not isinstance(choice, dict):
                choices[position] = None
                continue
            index = choice.get("index")
            index = index if isinstance(index, int) else position
            known = self._choices.get(index)
            if known is None:
                known = self._choices[index] = ChoiceStream(self._context, index, json=self._json)
            known.push(choice)

    def _frame(self, chunk: Json, key: str, value: Any) -> None:
        """Redact what a chunk says of the stream. What passes as it is, is known from then on: the next chunks say the same."""
        if key not in ANSWER and self._context.whole(key, Role.FREE, UNKNOWN) != key:
            del chunk[key]
            return
        if value is not None and not (key == "created" and type(value) is int):
            chunk[key] = self._context.whole(value, ANSWER.get(key, Role.FREE), key if key in ANSWER else UNKNOWN)
        if type(value) in _SCALARS and chunk[key] == value and len(self._known) < _MOST_KNOWN:
            self._known[key] = value
