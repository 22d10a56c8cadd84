"""One streamed tool call: its id and name come whole or are held until they are, its arguments are a JSON text."""

from __future__ import annotations

from typing import Any

from gateway.capabilities.redaction.shapes import TOOL_CALL, Role
from gateway.capabilities.redaction.stream_fields import Field, StreamContext
from gateway.domain import Json


class CallStream:
    """A tool call, or a legacy function call, of one choice."""

    def __init__(self, context: StreamContext, where: str) -> None:
        self._context = context
        self._where = where
        self._id: tuple[str, str] | None = None
        self._name = ""
        self._judged_name = ""
        self._shown_name = ""
        self.holder = "function"
        """The key of the entry that holds name and arguments."""
        self.body: Field | None = None

    def push(self, entry: Json) -> None:
        """Redact one entry of ``tool_calls`` in place."""
        if type(entry.get("id")) is str:
            raw = entry["id"]
            entry["id"] = self._context.whole(raw, Role.IDENTIFIER, self._where)
            self._id = (entry["id"], self._context.record.identifier(raw, self._context.scanner.scan(raw)))
        for key in list(entry):
            value = entry[key]
            if key in {"function", "custom"} and isinstance(value, dict):
                self.holder = key
                self.push_body(value)
            elif not ((key == "id" and type(value) is str) or (key == "index" and type(value) is int)):
                self._frame(entry, key, value)

    def _frame(self, entry: Json, key: str, value: Any) -> None:
        if key not in TOOL_CALL and self._context.whole(key, Role.FREE, self._where) != key:
            del entry[key]
        else:
            entry[key] = self._context.whole(value, TOOL_CALL.get(key, Role.FREE), self._where)

    def push_body(self, body: Json) -> None:
        """Redact the name and the arguments of one chunk in place. A name that is not whole yet is left out until it is."""
        text_key = self.text_key
        for key in list(body):
            value = body[key]
            if key == "name" and type(value) is str:
                self._name += value
            elif key == text_key and type(value) is str:
                body[key] = self._arguments().push(value)
            else:
                self._frame(body, key, value)
        name = self._settled_name() if body.get(text_key) or self._is_known_name() else ""
        if name:
            body["name"] = name
        elif type(body.get("name")) is str:
            del body["name"]

    @property
    def text_key(self) -> str:
        """The key of the text: arguments, or the input of a custom tool."""
        return "input" if self.holder == "custom" else "arguments"

    def finish(self) -> Json:
        """What was held of name and arguments; empty if nothing was."""
        name, text = self._settled_name(), self.body.finish() if self.body else ""
        return {**({"name": name} if name else {}), **({self.text_key: text} if text else {})}

    @property
    def released(self) -> Json:
        """The call as the caller got it."""
        return self._transcript(self._id[0] if self._id else None, self._shown_name, self.body.released if self.body else None)

    @property
    def kept(self) -> Json:
        """The call as the record keeps it."""
        name = self._context.record.identifier(self._name, self._context.scanner.scan(self._name)) if self._name else ""
        return self._transcript(self._id[1] if self._id else None, name, self.body.kept if self.body else None)

    def _transcript(self, call_id: str | None, name: str, arguments: str | None) -> Json:
        return {"id": call_id, "name": name or None, "arguments": arguments}

    def _arguments(self) -> Field:
        if self.body is None:
            self.body = Field(self._context, self._where, json=self.holder == "function")
        return self.body

    def _is_known_name(self) -> bool:
        return self._name in self._context.tool_names() or self._name in self._context.caller.restorer.values

    def _settled_name(self) -> str:
        """What the caller has not got of the name, which is taken to be whole."""
        if self._judged_name == self._name:
            return ""
        self._judged_name = self._name
        name = self._context.whole(self._name, Role.IDENTIFIER, self._where)
        if not name.startswith(self._shown_name):  # a longer name holds a finding that its beginning did not: nothing more of it is shown
            return ""
        rest: str = name[len(self._shown_name) :]
        self._shown_name = name
        return rest
