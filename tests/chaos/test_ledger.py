"""The comparison itself: it finds what the kills are there to find."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson
import pytest

from gateway.domain import Json
from tests.chaos.ledger import Closed, Ledger, disagreement
from tests.chaos.seen import Seen, read
from tests.chaos.wire import Answer

SALT = b"0123456789abcdef"
RECORD = "int_1"


def choice(content: str, finish: str | None = "stop", arguments: str | None = None) -> Json:
    calls = [] if arguments is None else [{"id": "call_1", "name": "find", "arguments": arguments}]
    return {"index": 0, "content": content, "refusal": None, "tool_calls": calls, "finish_reason": finish}


def saw(part: Json, *, record: str | None = RECORD) -> Seen:
    return Seen(status=200, record=record, complete=part["finish_reason"] is not None, finished=part["finish_reason"] is not None, error=None, choices=[part])


def ledger(state: str, *, reason: str | None = None, answer: Json | None = None) -> Ledger:
    released = hashlib.sha256(SALT + orjson.dumps([answer])).hexdigest()
    closed = Closed(facts={"state": state, "reason": reason}, digests={"released": released}, salt=SALT, content={"answer": [answer]})
    made = Ledger(Path("unread"))
    made.opened, made.closed = {RECORD}, {RECORD: [closed]}
    return made


WHOLE = choice("Write to a@example.com now", arguments='{"email": "a@example.com"}')
KEPT = choice("Write to <EMAIL_ADDRESS_BCDFGHJKLMNPQRST> now", arguments='{"email": "<EMAIL_ADDRESS_BCDFGHJKLMNPQRST>"}')
CRASHED = ledger("indeterminate", reason="gateway.crashed")


@pytest.mark.parametrize(
    ("seen", "records"),
    [
        (saw(WHOLE), ledger("completed", answer=WHOLE)),
        (saw(choice("Write to a@exam", None)), CRASHED),
        (saw(choice("Write to a@example.com n", None)), ledger("completed", answer=KEPT)),
        (saw(choice("Write to a@example.com now", None, '{"email": "a@example.com')), ledger("completed", answer=KEPT)),
        (read(Answer(b"", whole=False)), CRASHED),
    ],
    ids=["complete", "in part, and indeterminate", "in part, of a completed text", "in part, of a completed call", "nothing"],
)
def test_what_a_client_may_have_seen_agrees(seen: Seen, records: Ledger) -> None:
    assert disagreement(seen, records) is None


@pytest.mark.parametrize(
    ("seen", "records", "problem"),
    [
        (saw(WHOLE, record="int_2"), ledger("completed", answer=WHOLE), "is not on record"),
        (saw(WHOLE, record=None), ledger("completed", answer=WHOLE), "names no record"),
        (saw(WHOLE), CRASHED, "seen complete and is on record as indeterminate"),
        (saw(WHOLE), ledger("completed", answer=KEPT), "digest"),
        (saw(choice("Write", None)), ledger("cancelled", reason="caller.gone"), "on record as cancelled"),
        (saw(choice("Write", None)), ledger("indeterminate", reason="other"), "another reason"),
        (saw(choice("Wrote", None)), ledger("completed", answer=KEPT), "not how the recorded answer begins"),
        (saw(choice("Write", None, '{"name"')), ledger("completed", answer=KEPT), "not how the recorded answer begins"),
    ],
    ids=["no record", "unnamed", "complete but crashed", "another digest", "cancelled", "another reason", "another text", "another call"],
)
def test_what_must_not_be_is_found(seen: Seen, records: Ledger, problem: str) -> None:
    assert problem in str(disagreement(seen, records))


HEAD = b"HTTP/1.1 200 OK\r\nx-gateway-record: int_1\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n'
SECOND = b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
END = b"data: [DONE]\n\n"


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize(
    ("raw", "text", "finished", "complete"),
    [
        (HEAD, "", False, False),
        (HEAD + chunked(FIRST), "Hel", False, False),
        (HEAD + chunked(FIRST, SECOND[:40]), "Hel", False, False),
        (HEAD + chunked(FIRST + SECOND)[:-30], "Hel", False, False),
        (HEAD + chunked(FIRST, SECOND), "Hello", True, False),
        (HEAD + chunked(FIRST, SECOND, END) + b"0\r\n\r\n", "Hello", True, True),
    ],
    ids=["the head", "one event", "half an event", "half a chunk", "the finish", "all"],
)
def test_an_answer_that_breaks_off_is_read_as_far_as_it_came(raw: bytes, text: str, finished: bool, complete: bool) -> None:
    seen = read(Answer(raw, whole=False))
    assert (seen.record, seen.text, seen.finished, seen.complete) == ("int_1", text, finished, complete)


def test_half_a_head_is_nothing_yet() -> None:
    assert read(Answer(HEAD[:45], whole=False)) == read(Answer(b"", whole=False))
