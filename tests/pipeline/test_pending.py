"""What callers are told while an intent waits, and what a whole answer is as a stream."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.streaming import KEEP_ALIVE, gather
from gateway.domain import Json, Reason, State
from gateway.errors import Conflict, PayloadUnavailable, PolicyDenied, Settled
from gateway.pipeline.intent import Call
from gateway.pipeline.parked import Outcome, Parked
from gateway.pipeline.pending import CallersWait, Told, events_of, pending_completion, refusal_completion, waited_events
from gateway.pipeline.services import Services

TASK = {"id": "tsk_1", "queue": "reviews", "mode": "review", "due_at": "2026-01-02T03:04:05Z", "expires_at": "2026-01-03T03:04:05Z"}
PARKED = {"tenant": "acme", "intent_id": "int_1", "trace_id": "0af7", "route": "assistant", "model": "gpt-4o-mini", "wait_s": 60.0, "decision": "escalate"}


def parked(**changes: Any) -> Parked:
    return Parked(**{**PARKED, "task": TASK, **changes})


def call(**changes: Any) -> Call:
    given: dict[str, Any] = {"surface": "chat", "key": "k", "body": {}, "size": 2, "stream": False, "traceparent": None, "received_ns": time.time_ns()}
    return Call(**{**given, **changes})


def body(text: str = "fine") -> Json:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage, "gateway": {"record": "int_1"}}


class Outcomes:
    """In the place of what tells outcomes: it has none for so many questions, then the last of ``found``."""

    def __init__(self, *found: Outcome | Exception | None) -> None:
        self.found = list(found)
        self.asked: list[float] = []
        self.collected_ids: list[str] = []

    async def outcome(self, _tenant: str, _intent_id: str, timeout_s: float) -> Outcome | None:
        self.asked.append(timeout_s)
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def collected(self, _tenant: str, intent_id: str) -> None:
        self.collected_ids.append(intent_id)


class Now:
    """In the place of what runs beside calls: it runs at once, as the stand-in above never waits."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        with pytest.raises(StopIteration):
            work.send(None)


def services(*found: Outcome | Exception | None, draining: bool = False, keep_alive_s: float = 0.0) -> tuple[Services, Outcomes]:
    outcomes = Outcomes(*found)
    made = SimpleNamespace(waiting=outcomes, background=Now(), limits=SimpleNamespace(draining=draining), keep_alive_s=keep_alive_s)
    return cast("Services", made), outcomes


COMPLETED = Outcome(State.COMPLETED, 200, body(), None)


def events(sent: bytes) -> list[Json]:
    return [orjson.loads(line[6:]) for line in sent.split(b"\n") if line.startswith(b"data: {")]


async def test_the_outcome_is_told_as_soon_as_it_is_there_and_noted_as_told() -> None:
    made, outcomes = services(COMPLETED)
    wait = CallersWait(made, parked(), call())
    told = await wait.told()
    assert told == Told(State.COMPLETED, body())
    assert outcomes.collected_ids == []
    assert told is not None
    wait.leaves(told)
    assert outcomes.collected_ids == ["int_1"]


async def test_a_keep_alive_is_due_while_there_is_no_outcome_and_time_left() -> None:
    made, _ = services(None, None, COMPLETED)
    wait = CallersWait(made, parked(), call())
    assert [await wait.told(), await wait.told()] == [None, None]
    assert await wait.told() == Told(State.COMPLETED, body())


@pytest.mark.parametrize(("of_call", "of_route", "waits"), [(None, 0.0, False), (0.0, 60.0, False), (60.0, 0.0, True), (None, 60.0, True)])
async def test_the_callers_own_limit_goes_before_the_routes(of_call: float | None, of_route: float, waits: bool) -> None:
    made, outcomes = services(None)
    told = await CallersWait(made, parked(wait_s=of_route), call(wait_s=of_call)).told()
    assert (told is None) == waits
    assert len(outcomes.asked) == 1


async def test_who_does_not_wait_is_told_the_outcome_that_is_there_already() -> None:
    made, outcomes = services(COMPLETED)
    assert await CallersWait(made, parked(), call(wait_s=0.0)).told() == Told(State.COMPLETED, body())
    assert outcomes.asked == [0.0]


async def test_a_pending_answer_is_a_refusal_without_content_that_says_where_to_ask() -> None:
    made, outcomes = services(None)
    wait = CallersWait(made, parked(), call(wait_s=0.0))
    told = await wait.told()
    assert told is not None
    assert told.body is not None
    choice = told.body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "stop")
    assert "tsk_1" in choice["message"]["refusal"]
    assert "/v1/intents/int_1" in choice["message"]["refusal"]
    assert told.body["model"] == "gpt-4o-mini"
    expected = {"record": "int_1", "trace": "0af7", "route": "assistant", "state": "parked", "task": TASK, "poll": "/v1/intents/int_1", "joined": False}
    assert told.body["gateway"] == expected
    wait.leaves(told)
    assert outcomes.collected_ids == []


def test_a_call_that_runs_elsewhere_is_said_to_run() -> None:
    pending = pending_completion(parked(task=None, joined=True))
    assert (pending["gateway"]["state"], pending["gateway"]["joined"]) == ("running", True)
    assert "under way" in pending["choices"][0]["message"]["refusal"]


async def test_embeddings_have_no_form_for_a_pending_answer_so_it_is_an_error_that_nobody_retries() -> None:
    made, _ = services(None)
    told = await CallersWait(made, parked(embeds=True), call(wait_s=0.0)).told()
    assert told is not None
    assert isinstance(told.error, Conflict)
    assert (told.error.http_status, told.error.reason_code, told.error.retryable) == (409, "pending", False)


async def test_a_process_that_stops_tells_whoever_waits_where_they_stand() -> None:
    made, _ = services(None, draining=True, keep_alive_s=60.0)
    told = await CallersWait(made, parked(), call()).told()
    assert told is not None
    assert told.state is State.PARKED


async def test_an_outcome_that_cannot_be_read_is_told_as_an_error_and_is_still_there_later() -> None:
    unreadable = PayloadUnavailable("the key is not configured")
    made, outcomes = services(unreadable)
    wait = CallersWait(made, parked(), call())
    told = await wait.told()
    assert told == Told(State.PARKED, error=unreadable)
    wait.leaves(told)
    assert outcomes.collected_ids == []


@pytest.mark.parametrize("asked", [False, True])
async def test_a_stream_that_waits_has_keep_alives_and_then_all_events(asked: bool) -> None:
    made, outcomes = services(None, None, COMPLETED)
    streaming = call(stream=True, body={"stream_options": {"include_usage": asked}})
    sent = [part async for part in waited_events(made, parked(), streaming)]
    assert sent[:2] == [KEEP_ALIVE, KEEP_ALIVE]
    told = events(sent[2])
    assert [chunk["choices"] == [] for chunk in told].count(True) == int(asked)
    finish = next(chunk for chunk in told if "gateway" in chunk)
    assert finish["gateway"] == {"record": "int_1"}
    assert sent[2].endswith(b"data: [DONE]\n\n")
    assert outcomes.collected_ids == ["int_1"]


async def test_a_refusal_ends_a_stream_with_an_error_and_no_end_mark() -> None:
    error = Settled(403, {"message": "a person refused", "type": "policy_denied", "param": None, "code": "refused"})
    made, outcomes = services(None, Outcome(State.REFUSED, 403, None, error))
    sent = [part async for part in waited_events(made, parked(), call(stream=True))]
    assert events(sent[-1]) == [{"error": {"message": "a person refused", "type": "policy_denied", "param": None, "code": "refused"}}]
    assert b"[DONE]" not in b"".join(sent)
    assert outcomes.collected_ids == ["int_1"]


def test_a_refusal_after_keep_alives_is_a_completion_that_names_the_rules() -> None:
    error = PolicyDenied((Reason("no_transfers", "not this one"),))
    told = refusal_completion(parked(), Told(State.REFUSED, error=error), error)
    assert told["choices"][0]["message"] == {"role": "assistant", "content": None, "refusal": error.message}
    assert told["gateway"]["error"] == {"message": error.message, "type": "policy_denied", "param": None, "code": "policy_denied"}
    assert told["gateway"]["reasons"] == [{"rule": "no_transfers", "message": "not this one"}]
    assert (told["gateway"]["state"], told["gateway"]["record"]) == ("refused", "int_1")


CALLS = st.lists(
    st.builds(
        lambda name, arguments: {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}},
        st.sampled_from(["pay", "find"]),
        st.text(max_size=8),
    ),
    max_size=3,
)
MESSAGES = st.builds(
    lambda content, refusal, calls: {"role": "assistant", "content": content, "refusal": refusal, **({"tool_calls": calls} if calls else {})},
    st.none() | st.text(min_size=1, max_size=20),
    st.none() | st.text(min_size=1, max_size=20),
    CALLS,
)


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.sampled_from(["stop", "length", "tool_calls"]), st.booleans())
def test_a_whole_answer_as_a_stream_is_the_same_answer(messages: list[Json], finish: str, asked: bool) -> None:
    choices = [{"index": at, "message": message, "finish_reason": finish} for at, message in enumerate(messages)]
    whole = {**body(), "choices": choices}
    sent = events_of(whole, include_usage=asked)
    chunks = events(sent)
    gathered = gather(chunks)
    assert [choice["finish_reason"] for choice in gathered["choices"]] == [finish] * len(messages)
    for told, choice in zip(messages, gathered["choices"], strict=True):
        message = {name: value for name, value in choice["message"].items() if value is not None}
        calls = [{name: value for name, value in one.items() if name != "index"} for one in message.pop("tool_calls", [])]
        assert message == {name: value for name, value in told.items() if value is not None and name != "tool_calls"}
        assert calls == told.get("tool_calls", [])
    assert gathered["usage"] == (whole["usage"] if asked else None)
    assert [chunk["gateway"] for chunk in chunks if "gateway" in chunk] == [whole["gateway"]]
