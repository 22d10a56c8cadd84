"""What is kept is sealed, is no more than is needed, and says the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.capabilities.payloads import ANSWER, CALL, DRAFT, PayloadKeys
from gateway.domain import Reason, State
from gateway.errors import Conflict, PayloadUnavailable, PolicyDenied, UpstreamTimeout
from gateway.pipeline.kept import answer_row, call_of, draft_of, opened_payload, outcome_of
from gateway.testing import ALLOW_ALL
from tests.pipeline.desk import at_answer, at_intent, desk


async def test_a_call_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello", temperature=0.5, stream=True)
        loaded, services = case.loaded(), people.local.gateway.services
        call = call_of(services, loaded, now_ns=5)
        assert call is not None
        assert (call.surface, call.stream, call.key, call.received_ns, call.idempotency_key) == ("chat", True, "", 5, None)
        assert call.body == {"model": "assistant", "messages": [{"role": "user", "content": "hello"}], "temperature": 0.5, "stream": True}
        assert call.size > 0
        assert b"hello" not in loaded.payloads[CALL].sealed
        assert call_of(services, loaded._replace(payloads={}), now_ns=5) is None
        assert draft_of(services, loaded) is None


async def test_a_draft_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(), "rules: [{usage: {input: 1000, output: 1000}}]") as people:
        case = await people.park("hello")
        draft = draft_of(people.local.gateway.services, case.loaded())
        assert draft is not None
        assert draft.body["choices"][0]["message"]["content"] == "hello"
        assert (draft.source, draft.author, draft.answered_by, draft.name) == ("model", "simulated-1", "simulated", "")
        assert [attempt["cost_microusd"] for attempt in draft.attempts] == [750]
        assert b"hello" not in case.loaded().payloads[DRAFT].sealed


async def test_a_payload_of_another_intent_is_none(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        first, second = await people.park("1"), await people.park("2")
        keys = people.local.gateway.services.payload_keys
        with pytest.raises(PayloadUnavailable):
            opened_payload(keys, first.loaded().payloads[CALL]._replace(intent_id=second.intent))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (PolicyDenied((Reason("a", "first"), Reason("b", "second"))), 403, "policy_denied"),
        (UpstreamTimeout("too late"), 504, "upstream.timeout"),
        (Conflict("no", param="x", code="own"), 409, "own"),
    ],
)
async def test_an_error_is_told_again_as_it_was(tmp_path: Path, error: PolicyDenied | UpstreamTimeout | Conflict, status: int, code: str) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, services = await people.park(), people.local.gateway.services
        row = answer_row(services, "acme", case.intent, None, error, expires_ns=None)
        assert row is not None
        loaded = case.loaded()
        outcome = outcome_of(services.payload_keys, loaded._replace(row=loaded.row._replace(state="failed"), payloads={ANSWER: row}))
        assert outcome.error is not None
        assert (outcome.state, outcome.status, outcome.body) == (State.FAILED, status, None)
        assert (outcome.error.message, outcome.error.reason_code, outcome.error.type, outcome.error.param) == (error.message, code, error.type, error.param)
        assert outcome.error.retryable is False
        if isinstance(error, PolicyDenied):
            assert isinstance(outcome.error, PolicyDenied)
            assert outcome.error.reasons == error.reasons


async def test_what_is_not_known_or_not_kept_is_said(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case, services = await people.park(), people.local.gateway.services
        loaded = case.loaded()
        lost = outcome_of(services.payload_keys, loaded._replace(row=loaded.row._replace(state="indeterminate")))
        assert (lost.status, lost.error and lost.error.reason_code) == (500, "indeterminate")
        gone = outcome_of(services.payload_keys, loaded._replace(row=loaded.row._replace(state="completed"), payloads={}))
        assert (gone.status, gone.error and gone.error.reason_code) == (410, "answer_expired")
        assert answer_row(services, "acme", case.intent, None, None, expires_ns=None) is None
        object.__setattr__(services, "payload_keys", PayloadKeys({}))
        with pytest.raises(PayloadUnavailable):
            answer_row(services, "acme", case.intent, {"a": 1}, None, expires_ns=None)


async def test_an_ordinary_call_leaves_nothing_but_its_record(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL) as people:
        assert (await people.ask("hello")).text == "hello"
        for table in ("intents", "payloads", "tasks", "approvals", "task_moves"):
            assert people.query(f"SELECT * FROM {table}") == []
