"""A scripted server that speaks Anthropic's Messages API (``POST /v1/messages``), whole and streamed, and refuses what the real one refuses."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

import orjson

from tests.servers.provider_wire import Json, ProviderWire


class AnthropicWire(ProviderWire):
    """Give it what it is to say; ``requests`` has what it was asked."""

    def refused(self, path: str, headers: Mapping[str, str], body: Json) -> str | None:
        if path != "/v1/messages":
            return f"no such path {path}"
        if "anthropic-version" not in headers or "x-api-key" not in headers:
            return "a header is missing"
        if type(body.get("max_tokens")) is not int:
            return "max_tokens: Field required"
        if not body.get("messages") or body["messages"][0]["role"] != "user":
            return "messages: first message must use the user role"
        return next((wrong for message in body["messages"] for wrong in _wrong_parts(message)), None)

    def error(self, status: int, kind: str, words: str) -> Json:
        return {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}

    def whole(self, path: str, body: Json) -> Json:
        return {**self._head(body), "content": self._blocks(body), "stop_reason": self._stop(body), "stop_sequence": None, "usage": self._usage()}

    def streams(self, path: str, body: Json) -> bool:
        return body.get("stream") is True

    def events(self, body: Json) -> list[bytes]:
        usage = self._usage()
        start = {**self._head(body), "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
        events = [_event({"type": "message_start", "message": start}), _event({"type": "ping"})]
        for index, block in enumerate(self._blocks(body)):
            events += [_event(event) for event in _block_events(index, block)]
        delta = {"stop_reason": self._stop(body), "stop_sequence": None}
        events.append(_event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}}))
        return [*events, _event({"type": "message_stop"})]

    def error_event(self) -> bytes:
        return _event(self.error(529, "overloaded_error", self.fault.words))

    def _head(self, body: Json) -> Json:
        return {"id": "msg_01", "type": "message", "role": "assistant", "model": body["model"]}

    def _calls(self, body: Json) -> list[tuple[str, Json]]:
        forced = (body.get("tool_choice") or {}).get("name")
        if forced and not self.said.calls:  # a forced tool carries the answer, as with structured output
            return [(forced, orjson.loads(self.said.text))]
        return list(self.said.calls)

    def _blocks(self, body: Json) -> list[Json]:
        calls = self._calls(body)
        text = [{"type": "text", "text": self.said.text}] if self.said.text and (self.said.calls or not calls) else []
        return text + [{"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments} for number, (name, arguments) in enumerate(calls)]

    def _stop(self, body: Json) -> str:
        return self.said.stop or ("tool_use" if self._calls(body) else "end_turn")

    def _usage(self) -> Json:
        given, made = self.said.tokens
        return {"input_tokens": given - self.said.cached, "cache_read_input_tokens": self.said.cached, "cache_creation_input_tokens": 0, "output_tokens": made}


def _block_events(index: int, block: Json) -> Iterator[Json]:
    empty = {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    if block["type"] == "text":
        for word in block["text"].split(" "):
            said = word if block["text"].startswith(word) else f" {word}"
            yield {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": said}}
    else:
        written = orjson.dumps(block["input"]).decode()
        for start in range(0, len(written), 7):
            yield {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": written[start : start + 7]}}
    yield {"type": "content_block_stop", "index": index}


def _wrong_parts(message: Json) -> Iterator[str]:
    for part in message["content"] if isinstance(message["content"], list) else []:
        if part.get("type") == "image":
            source = part.get("source") or {}
            try:
                data = base64.b64decode(source.get("data") or "", validate=True)
            except binascii.Error:
                data = b""
            if source.get("type") != "base64" or source.get("media_type") != "image/png" or not data.startswith(b"\x89PNG"):
                yield "messages: Could not process image"
        elif part.get("type") not in {"text", "tool_use", "tool_result"}:
            yield "messages: unknown part"


def _event(data: Json) -> bytes:
    name: str = data["type"]
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
