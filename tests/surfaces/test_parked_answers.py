"""What leaves on the wire for a caller whose intent waits: its own status before the first keep-alive, one form for everything after it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.capabilities.streaming import KEEP_ALIVE
from gateway.domain import Json, State
from gateway.errors import PayloadUnavailable, Settled
from gateway.pipeline.parked import Outcome
from gateway.surfaces.http_request import Message
from gateway.surfaces.parked_answers import send_events, send_parked
from tests.pipeline.test_pending import COMPLETED, body, call, parked, services

REFUSED = Outcome(State.REFUSED, 403, None, Settled(403, {"message": "no", "type": "policy_denied", "param": None, "code": "policy_denied"}))
EXPIRED = Outcome(State.EXPIRED, 504, None, Settled(504, {"message": "nobody decided", "type": "server_error", "param": None, "code": "expired"}))


class Wire:
    """What was sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        starts = [message["status"] for message in self.messages if message["type"] == "http.response.start"]
        assert len(starts) <= 1
        return starts[0] if starts else 0

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def parts(self) -> list[bytes]:
        bodies = [message for message in self.messages if message["type"] == "http.response.body"]
        assert [message.get("more_body", False) for message in bodies] == [True] * (len(bodies) - 1) + [False]
        return [message["body"] for message in bodies]

    @property
    def json(self) -> Json:
        value: Json = orjson.loads(b"".join(self.parts))
        return value


async def sent(*found: Any, of: Json | None = None, begun: bool = False, **asked: Any) -> Wire:
    wire = Wire()
    made, _ = services(*found)
    await send_parked(wire.send, made, parked(**(of or {})), call(**asked), begun=begun)
    return wire


@pytest.mark.parametrize(
    ("outcome", "status", "decision"),
    [(COMPLETED, 200, "allow"), (REFUSED, 403, "deny"), (EXPIRED, 504, "escalate"), (PayloadUnavailable("no key"), 503, "escalate")],
    ids=["completed", "refused", "expired", "unreadable"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_outcome_before_the_first_keep_alive_has_its_own_status(outcome: Any, status: int, decision: str, stream: bool) -> None:
    wire = await sent(outcome, stream=stream)
    assert (wire.status, wire.headers["x-gateway-decision"]) == (status, decision)
    assert (wire.headers["x-gateway-record"], wire.headers["x-gateway-task"], wire.headers["x-gateway-route"]) == ("int_1", "tsk_1", "assistant")
    assert len(wire.parts) == 1
    assert wire.headers["content-type"] == ("text/event-stream; charset=utf-8" if stream and status == 200 else "application/json")


async def test_a_body_after_keep_alives_is_json_with_white_space_before_it() -> None:
    wire = await sent(None, None, COMPLETED)
    assert wire.parts[:2] == [b" ", b" "]
    assert (wire.status, wire.json) == (200, body())
    assert "content-length" not in wire.headers
    assert wire.headers["x-accel-buffering"] == "no"


async def test_a_refusal_after_keep_alives_is_a_completion_with_a_refusal() -> None:
    wire = await sent(None, REFUSED)
    assert wire.status == 200
    assert wire.json["choices"][0]["message"] == {"role": "assistant", "content": None, "refusal": "no"}
    assert wire.json["gateway"]["error"]["code"] == "policy_denied"


async def test_a_refusal_of_embeddings_after_keep_alives_is_no_list_of_vectors() -> None:
    wire = await sent(None, REFUSED, of={"embeds": True})
    assert (wire.status, wire.json["error"]["code"], "data" in wire.json) == (200, "policy_denied", False)


async def test_a_pending_answer_says_that_a_retry_changes_nothing() -> None:
    wire = await sent(None, wait_s=0.0)
    assert (wire.status, wire.headers["x-should-retry"], wire.headers["x-gateway-decision"]) == (200, "false", "escalate")
    assert wire.json["gateway"]["state"] == "parked"
    assert "x-gateway-target" not in wire.headers


async def test_pending_embeddings_are_a_conflict() -> None:
    wire = await sent(None, of={"embeds": True}, wait_s=0.0)
    assert (wire.status, wire.json["error"]["code"], wire.headers["x-should-retry"]) == (409, "pending", "false")
    assert [name for name, _ in wire.messages[0]["headers"]].count(b"x-should-retry") == 1


async def test_a_stream_that_waits_has_comments_before_its_events() -> None:
    wire = await sent(None, None, COMPLETED, stream=True)
    assert wire.parts[:2] == [KEEP_ALIVE, KEEP_ALIVE]
    assert wire.parts[2].endswith(b"data: [DONE]\n\n")
    refused = await sent(None, REFUSED, stream=True)
    assert refused.status == 200
    assert b'"code":"policy_denied"' in refused.parts[-1]
    assert b"[DONE]" not in refused.parts[-1]


async def test_a_stream_that_has_begun_begins_only_once() -> None:
    wire = await sent(COMPLETED, stream=True, begun=True)
    assert wire.status == 0
    assert wire.parts[0].endswith(b"data: [DONE]\n\n")


async def test_a_whole_answer_can_leave_as_a_stream() -> None:
    wire = Wire()
    await send_events(wire.send, body(), call(stream=True), [(b"x-gateway-record", b"int_1")])
    assert (wire.status, wire.headers["x-gateway-record"]) == (200, "int_1")
    assert wire.parts[0].count(b"data: ") == 3
