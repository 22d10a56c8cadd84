"""An upstream that brings a text in every place where an answer can hold one, and quotes it in its failures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


class TalkativeUpstream:
    """Answers with ``text``; ``fault`` is what it does instead: ``429``, ``500``, ``malformed``, ``cut`` or ``reset``.

    ``finish`` is the reason that it gives for ending.
    """

    def __init__(self) -> None:
        self.url = ""
        self.text = ""
        self.value = ""
        self.fault = ""
        self.finish: Any = "stop"
        self.received: list[bytes] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.received.append(raw)
        text, value, fault = self.text, self.value, self.fault
        if fault.isdigit():
            error = {"message": text, "type": value, "code": value, "param": value, "more": {text: text}}
            return web.json_response({"error": error}, status=int(fault), headers={"retry-after": _one_line(value), "x-request-id": _one_line(value)})
        stream = json.loads(raw).get("stream") is True
        if fault == "malformed":
            return web.Response(body=f"<html>{text}</html>".encode(), content_type="text/html")
        if not stream and not fault:
            return web.json_response(whole(text, value, self.finish), headers={"x-request-id": _one_line(value)})
        response = web.StreamResponse(headers={"content-type": "text/event-stream" if stream else "application/json"})
        await response.prepare(request)
        parts = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks(text, value, self.finish)] + [b"data: [DONE]\n\n"]
        if not stream:
            parts = [json.dumps(whole(text, value, self.finish)).encode()[:-20]]
        await response.write(b"".join(parts[: len(parts) * 2 // 3] if fault and stream else parts))
        if fault and request.transport is not None:
            request.transport.abort() if fault == "reset" else request.transport.close()
        return response


def whole(text: str, value: str, finish: Any) -> dict[str, Any]:
    message = {
        "role": "assistant",
        "content": text,
        "refusal": text,
        "reasoning_content": text,
        "annotations": [{"url": text, text: 1, "more": [text]}],
        "unknown": {"deep": [{"deeper": json.dumps({"inner": text})}]},
        "function_call": {"name": "lookup", "arguments": json.dumps({"q": text})},
        "tool_calls": [{"id": value, "type": "function", "function": {"name": "lookup", "arguments": json.dumps({"q": text, "list": [text]})}}],
    }
    choice = {"index": 0, "finish_reason": finish, "logprobs": None, "message": message, "content_filter_results": {"quoted": text}}
    frame = {"id": value, "object": "chat.completion", "created": 1, "model": text, "system_fingerprint": value, "service_tier": text}
    return {**frame, "choices": [choice], "usage": {**USAGE, "note": text}, "unknown": {"x": [text], text: text}, text: "as a key"}


def chunks(text: str, value: str, finish: Any) -> Iterator[dict[str, Any]]:
    frame = {"id": value, "object": "chat.completion.chunk", "created": 1, "model": text, "system_fingerprint": value, "service_tier": text}

    def chunk(delta: dict[str, Any], finish: Any = None, **more: Any) -> dict[str, Any]:
        return {**frame, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish, **more}]}

    yield chunk({"role": "assistant", "content": ""})
    for field in ("content", "refusal", "reasoning_content"):
        yield from (chunk({field: text[at : at + 3]}) for at in range(0, len(text), 3))
    yield chunk({"annotations": [{"url": text, text: 1}], "unknown": {"deep": [text]}}, quoted=text)
    yield chunk({"tool_calls": [{"index": 0, "id": value, "type": "function", "function": {"name": "lookup", "arguments": ""}}]})
    arguments = json.dumps({"q": text, "list": [text]})
    yield from (chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 3]}}]}) for at in range(0, len(arguments), 3))
    yield {**chunk({}), "unknown": {"x": [text], text: text}, text: "as a key"}
    yield chunk({}, finish)
    yield {**frame, "choices": [], "usage": {**USAGE, "note": text}}


def _one_line(value: str) -> str:
    return value.replace("\n", " ")


@asynccontextmanager
async def talkative_upstream() -> AsyncIterator[TalkativeUpstream]:
    upstream = TalkativeUpstream()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", upstream.serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield upstream
    finally:
        await runner.cleanup()
