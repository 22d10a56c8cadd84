"""What callers are told while an intent waits for a person, and how its outcome reaches those who wait with it.

A pending answer is a completion without content whose ``refusal`` says where it stands: official clients hand a refusal on, also where they parse, and
nobody can take it for what was asked for. Once a keep-alive has left, status and headers are fixed: then an error is told in the same form.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import NamedTuple

from gateway.capabilities.streaming import DONE, KEEP_ALIVE, chunks_of, error_event, event
from gateway.domain import Json, State
from gateway.errors import Conflict, GatewayError, PolicyDenied
from gateway.pipeline.intent import Call
from gateway.pipeline.parked import Outcome, Parked
from gateway.pipeline.services import Services

PENDING = "pending"
"""The ``code`` of the error that stands for a pending answer where there is no form of an answer for it."""


class Told(NamedTuple):
    """What a caller is told in the end: an answer or an error."""

    state: State
    """``PARKED`` where it is not the outcome: the time was over, or the outcome could not be read."""
    body: Json | None = None
    error: GatewayError | None = None

    @property
    def final(self) -> bool:
        """Whether it is the outcome."""
        return self.state not in {State.PARKED, State.RUNNING}


class Wait:
    """One caller's wait for the outcome of an intent. It holds nothing but the caller's connection."""

    def __init__(self, services: Services, tenant: str, intent_id: str, wait_s: float) -> None:
        self._services = services
        self._place = (tenant, intent_id)
        self._ends = time.monotonic() + wait_s

    @property
    def over(self) -> bool:
        """Whether the caller is to be told how it stands now. Nobody decides within the time that a process has to stop: it does not wait for people."""
        return self._services.limits.draining or time.monotonic() >= self._ends

    async def outcome(self) -> Outcome | None:
        """The outcome as soon as there is one; ``None`` when it is time for a keep-alive, or ``over``.

        Raises:
            PayloadUnavailable: There is one, and it cannot be read.
            RecordUnavailable: Nobody can say whether there is.
            NotFound: It is not kept any more.
        """
        left = max(0.0, self._ends - time.monotonic())
        return await self._services.waiting.outcome(*self._place, min(left, self._services.keep_alive_s))


class CallersWait:
    """The wait of whoever sent the call: by its own limit, or else by its route's."""

    def __init__(self, services: Services, parked: Parked, call: Call) -> None:
        self._services = services
        self._parked = parked
        self._wait = Wait(services, parked.tenant, parked.intent_id, parked.wait_s if call.wait_s is None else call.wait_s)

    async def told(self) -> Told | None:
        """What to tell the caller; ``None`` when it is time for a keep-alive."""
        try:
            outcome = await self._wait.outcome()
        except GatewayError as error:
            return Told(State.PARKED, error=error)
        if outcome is not None:
            return Told(outcome.state, outcome.body, outcome.error)
        if not self._wait.over:
            return None
        if self._parked.embeds:
            return Told(_state(self._parked), error=Conflict(_where(self._parked), code=PENDING))
        return Told(_state(self._parked), pending_completion(self._parked))

    def leaves(self, told: Told) -> None:
        """Note that the caller is told now: the same call is a new one from then on. It is said before, as many clients are gone once they have all."""
        if told.final:
            self._services.background.start(self._services.waiting.collected(self._parked.tenant, self._parked.intent_id))


async def waited_events(services: Services, parked: Parked, call: Call) -> AsyncGenerator[bytes, None]:
    """The rest of a stream that has begun: keep-alives, then the events of the outcome, or of the pending answer when the time is over."""
    wait = CallersWait(services, parked, call)
    while (told := await wait.told()) is None:
        yield KEEP_ALIVE
    wait.leaves(told)
    yield events_told(told, call)


def events_told(told: Told, call: Call) -> bytes:
    """The last events of a stream."""
    if told.error is not None:
        return error_event(told.error)
    return events_of(told.body or {}, include_usage=asks_for_usage(call))


def asks_for_usage(call: Call) -> bool:
    """Whether the stream that was asked for ends with its usage."""
    options = call.body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def events_of(body: Json, *, include_usage: bool) -> bytes:
    """All events of a stream that brings a whole answer, its ``gateway`` object on the finish, as in every stream of the gateway."""
    said, finish = chunks_of(body)
    usage = finish.pop("usage", None)
    last = [{**finish, "choices": [], "usage": usage}] if include_usage else []
    finish["gateway"] = body.get("gateway")
    return b"".join([*map(event, (said, finish, *last)), DONE])


def pending_completion(parked: Parked) -> Json:
    """A completion that says that there is no answer yet, and where to find it."""
    standing = {"state": _state(parked), "task": parked.task, "poll": poll_path(parked.intent_id), "joined": parked.joined}
    return _refusal(parked, _where(parked), standing)


def refusal_completion(parked: Parked, told: Told, error: GatewayError) -> Json:
    """An error as a completion, for a caller that has had keep-alives: status and headers are fixed by then."""
    reasons = {"reasons": [reason._asdict() for reason in error.reasons]} if isinstance(error, PolicyDenied) else {}
    return _refusal(parked, error.message, {"state": told.state, "task": parked.task, "error": error_facts(error), **reasons})


def error_facts(error: GatewayError) -> Json:
    """An error in OpenAI's shape."""
    return {"message": error.message, "type": error.type, "param": error.param, "code": error.reason_code}


def poll_path(intent_id: str) -> str:
    """Where an intent can be asked for."""
    return f"/v1/intents/{intent_id}"


def _refusal(parked: Parked, text: str, standing: Json) -> Json:
    return {
        "id": f"chatcmpl-{parked.intent_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": parked.model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": None, "refusal": text}, "logprobs": None, "finish_reason": "stop"},
        ],
        "usage": None,
        "gateway": {"record": parked.intent_id, "trace": parked.trace_id, "route": parked.route, **standing},
    }


def _state(parked: Parked) -> State:
    return State.RUNNING if parked.task is None else State.PARKED


def _where(parked: Parked) -> str:
    """Where a pending call stands, in a sentence, and what to do."""
    poll = f"GET {poll_path(parked.intent_id)} tells the outcome"
    if parked.task is None:
        return f"No answer yet: the same call is still under way. {poll}."
    return f"No answer yet: a person decides (task {parked.task['id']} in queue {parked.task['queue']}, until {parked.task['expires_at']}). {poll}."
