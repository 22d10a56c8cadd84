"""Answers to callers whose intent waits for a person: its outcome if that comes in time, with keep-alives before it, or else where it stands."""

from __future__ import annotations

from typing import Final

import orjson

from gateway.capabilities.streaming import KEEP_ALIVE
from gateway.domain import Json, State
from gateway.pipeline.intent import Call
from gateway.pipeline.parked import Parked
from gateway.pipeline.pending import CallersWait, Told, asks_for_usage, events_of, events_told, refusal_completion
from gateway.pipeline.services import Services
from gateway.surfaces.error_responses import error_body, send_error, send_json
from gateway.surfaces.http_request import Send

Headers = list[tuple[bytes, bytes]]

EVENTS: Final = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
"""Headers of a stream. The last one keeps nginx from gathering it."""
_SPACED: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_SPACE: Final = b" "
"""A keep-alive before a JSON body: whitespace there means nothing."""
_SAID: Final = {State.COMPLETED: b"allow", State.REFUSED: b"deny"}


async def send_events(send: Send, body: Json, call: Call, headers: Headers) -> None:
    """Answer with a whole answer as a stream."""
    content = events_of(body, include_usage=asks_for_usage(call))
    await send({"type": "http.response.start", "status": 200, "headers": [*EVENTS, *headers]})
    await send({"type": "http.response.body", "body": content})


async def send_parked(send: Send, services: Services, parked: Parked, call: Call, *, begun: bool = False) -> None:
    """Wait for the outcome and answer with it, or with where it stands once the caller's time is over.

    Until the first keep-alive the answer has its own status and headers. ``begun`` says that a stream's have left already.
    """
    wait = CallersWait(services, parked, call)
    told = await wait.told()
    if told is not None and not begun:
        wait.leaves(told)
        await _send_whole(send, parked, call, told)
    else:
        if not begun:
            await send({"type": "http.response.start", "status": 200, "headers": [*(EVENTS if call.stream else _SPACED), *_headers(parked, None)]})
        while told is None:
            await send({"type": "http.response.body", "body": KEEP_ALIVE if call.stream else _SPACE, "more_body": True})
            told = await wait.told()
        wait.leaves(told)
        await send({"type": "http.response.body", "body": events_told(told, call) if call.stream else orjson.dumps(_body(parked, told))})


async def _send_whole(send: Send, parked: Parked, call: Call, told: Told) -> None:
    headers = _headers(parked, told)
    if told.error is not None:
        await send_error(send, told.error, parked.intent_id, headers)
    elif call.stream:
        await send_events(send, told.body or {}, call, headers)
    else:
        await send_json(send, 200, told.body or {}, headers)


def _body(parked: Parked, told: Told) -> Json:
    """The body after keep-alives. Embeddings have no form for a refusal: no client takes an error there for vectors."""
    if told.error is None:
        return told.body or {}
    return error_body(told.error, parked.intent_id) if parked.embeds else refusal_completion(parked, told, told.error)


def _headers(parked: Parked, told: Told | None) -> Headers:
    """What is known of the intent when its answer begins."""
    headers = [(b"x-gateway-record", parked.intent_id.encode()), (b"x-gateway-trace", parked.trace_id.encode()), (b"x-gateway-route", parked.route.encode())]
    if parked.task is not None:
        headers.append((b"x-gateway-task", parked.task["id"].encode()))
    said = (parked.decision or "").encode()
    if told is None or not told.final:
        if told is None or told.error is None:
            headers.append((b"x-should-retry", b"false"))
    else:
        said = _SAID.get(told.state, said)
        if told.body is not None:
            headers.append((b"x-gateway-target", (told.body["gateway"].get("target") or "").encode()))
    return [*headers, (b"x-gateway-decision", said)] if said else headers
