"""One choice of a streamed answer."""

from __future__ import annotations

from typing import Any

from gateway.capabilities.redaction.places import message_place
from gateway.capabilities.redaction.shapes import ANSWER, MESSAGE, Role
from gateway.capabilities.redaction.stream_calls import CallStream
from gateway.capabilities.redaction.stream_fields import Field, NestedField, StreamContext
from gateway.capabilities.redaction.transcript import entry
from gateway.domain import Json

_FRAME = ANSWER["choices"]
_PARTS = frozenset({"delta", "logprobs"})
_WHOLE = frozenset({"role", "id", "name"})


class ChoiceStream:
    """State of one choice: its fields, its tool calls, its log probabilities. ``json``: the content is a JSON text."""

    def __init__(self, context: StreamContext, index: int, *, json: bool) -> None:
        self._context = context
        self._index = index
        self._json = json
        self._fields: dict[str, Field] = {}
        self._nested: dict[str, NestedField] = {}
        self._calls: dict[int, CallStream] = {}
        self._function_call: CallStream | None = None
        self._logprobs = _Logprobs()
        self.finish_reason: str | None = None

    @property
    def logprobs_dropped(self) -> bool:
        """Whether log probabilities were left out because they would spell what was hidden or restored."""
        return self._logprobs.dropped

    def push(self, choice: Json) -> None:
        """Redact one chunk's part in place. With the finish, all that was held is added to its delta; nothing follows a finish."""
        if self.finish_reason is not None:
            choice.clear()
            choice.update(index=self._index, delta={}, finish_reason=None)
            return
        delta = choice["delta"] = self._delta(choice.get("delta"))
        for key in [key for key, value in choice.items() if key not in _PARTS and not (value is None and key in _FRAME)]:
            if key != "index" or type(choice[key]) is not int:
                self._frame(choice, key, choice[key])
        if choice.get("finish_reason") is not None:
            self.finish_reason = choice["finish_reason"]
            self._finish(delta)
        if choice.get("logprobs") is not None or self._logprobs.waiting:
            self._logprobs.push(choice, self._all_fields(), final=self.finish_reason is not None)

    def drop(self) -> None:
        """The stream broke off before the finish: what is held goes to the record alone."""
        if self.finish_reason is None:
            for one in self._all_fields():
                one.drop()

    @property
    def released(self) -> Json:
        """The choice as the caller got it."""
        texts = {key: one.released for key, one in self._fields.items()}
        return entry(self._index, texts.get("content"), texts.get("refusal"), [call.released for call in self._all_calls()], self.finish_reason)

    @property
    def kept(self) -> Json:
        """The choice as the record keeps it."""
        texts = {key: one.kept for key, one in self._fields.items()}
        return entry(self._index, texts.get("content"), texts.get("refusal"), [call.kept for call in self._all_calls()], self.finish_reason)

    def _frame(self, choice: Json, key: str, value: Any) -> None:
        where = message_place(self._index, None)
        if key not in _FRAME and self._context.whole(key, Role.FREE, where) != key:
            del choice[key]
        else:
            choice[key] = self._context.whole(value, _FRAME.get(key, Role.FREE), where)

    def _delta(self, delta: Any) -> Json:
        if not isinstance(delta, dict):
            return {}
        for key, value in tuple(delta.items()):
            one = self._fields.get(key)
            if one is not None and type(value) is str:
                delta[key] = one.push(value)
            elif not (value is None and key in MESSAGE):
                self._other(delta, key, value, message_place(self._index, key))
        return delta

    def _other(self, delta: Json, key: str, value: Any, where: str) -> None:
        """A part of a delta that is not the next piece of a known text."""
        if key not in MESSAGE and self._context.whole(key, Role.FREE, where) != key:
            del delta[key]
        elif type(value) is str:
            delta[key] = self._context.whole(value, MESSAGE[key], where) if key in _WHOLE else self._field(key, where).push(value)
        elif key == "tool_calls" and isinstance(value, list):
            self._tool_calls(value, where)
        elif key == "function_call" and isinstance(value, dict):
            self._legacy_call(where).push_body(value)
        elif value is not None:
            delta[key] = self._nested_field(key, where).push(value)

    def _field(self, key: str, where: str) -> Field:
        one = self._fields[key] = Field(self._context, where, json=self._json and key == "content", cue=None if key in MESSAGE else key)
        return one

    def _nested_field(self, key: str, where: str) -> NestedField:
        one = self._nested.get(key)
        if one is None:
            one = self._nested[key] = NestedField(self._context, key, where)
        return one

    def _legacy_call(self, where: str) -> CallStream:
        if self._function_call is None:
            self._function_call = CallStream(self._context, where)
        return self._function_call

    def _tool_calls(self, entries: list[Any], where: str) -> None:
        for position, item in enumerate(entries):
            if not isinstance(item, dict):
                entries[position] = None
                continue
            index = item.get("index")
            index = index if isinstance(index, int) else position
            call = self._calls.get(index)
            if call is None:
                call = self._calls[index] = CallStream(self._context, where)
            call.push(item)

    def _finish(self, delta: Json) -> None:
        for key, one in self._fields.items():
            rest = one.finish()
            if rest:
                said = delta.get(key)
                delta[key] = said + rest if isinstance(said, str) else rest  # anything else is no text of this field
        for key, nested in self._nested.items():
            value = nested.finish(delta.get(key))
            if value is not None:
                delta[key] = value
        for index, call in self._calls.items():
            _add_call(delta, index, call, call.finish())
        if self._function_call:
            _add_texts(delta, "function_call", self._function_call.finish())

    def _all_calls(self) -> list[CallStream]:
        return [*self._calls.values(), *([self._function_call] if self._function_call else [])]

    def _all_fields(self) -> list[Field]:
        texts = [call.body for call in self._all_calls() if call.body]
        return [*self._fields.values(), *texts, *(one for nested in self._nested.values() for one in nested.fields)]


def _add_call(delta: Json, index: int, call: CallStream, rest: Json) -> None:
    if not rest:
        return
    entries = delta.get("tool_calls")
    if not isinstance(entries, list):
        entries = delta["tool_calls"] = []
    for item in entries:
        if isinstance(item, dict) and item.get("index") == index:
            break
    else:
        item = {"index": index}
        entries.append(item)
    _add_texts(item, call.holder, rest)


def _add_texts(entry: Json, holder: str, rest: Json) -> None:
    if rest:
        texts = entry.get(holder)
        entry[holder] = {**(texts if isinstance(texts, dict) else {})}
        for key, text in rest.items():
            said = entry[holder].get(key)
            entry[holder][key] = said + text if isinstance(said, str) else text


class _Logprobs:
    """Log probabilities of one choice. They spell the text, so they are handed on only once the caller has that text as the model sent it."""

    __slots__ = ("_pending", "dropped")

    def __init__(self) -> None:
        self._pending: dict[str, list[Any]] = {}
        self.dropped = False

    @property
    def waiting(self) -> bool:
        """Whether any are held."""
        return bool(self._pending)

    def push(self, choice: Json, fields: list[Field], *, final: bool) -> None:
        """Hold those of ``choice``, and hand on what is held once it may be."""
        arrived = choice.get("logprobs")
        choice["logprobs"] = None
        self._take(arrived)
        settled = all(one.settled for one in fields)
        if self.dropped or any(one.touched for one in fields) or (final and not settled):
            self.dropped = True
            self._pending = {}
        elif settled:
            choice["logprobs"], self._pending = self._pending, {}

    def _take(self, arrived: Any) -> None:
        if arrived is None:
            return
        if not isinstance(arrived, dict):
            self.dropped = True
            return
        for key, entries in arrived.items():
            held = self._pending.setdefault(key, [])
            if isinstance(entries, list):
                held.extend(entries)
            elif entries is not None:
                self.dropped = True
