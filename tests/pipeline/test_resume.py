"""A parked intent goes on once, in whatever state the keys, the policy and the database are by then."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.payloads import PayloadKeys
from gateway.domain import State
from gateway.pipeline import review
from gateway.pipeline.resume import is_reviewer, resume
from gateway.testing import ENV
from tests.pipeline.desk import QUICK, SLOW_SWEEPS, Desk, at_answer, at_intent, desk, escalates, fail_moves, until

CURRENT, OTHER = ENV["ACME_PAYLOAD"].encode(), b"another-0123456789-payloads-0123456789"


def swap(people: Desk, *secrets: bytes) -> None:
    """The tenant's payload keys are these from now on."""
    keys, other = people.local.gateway.services.payload_keys, PayloadKeys({"acme": list(secrets)})
    keys._current, keys._known = other._current, other._known


async def test_an_approved_call_goes_on_as_it_came(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("mail jane.doe@example.com", temperature=0.25, max_tokens=50)
        await case.accept()
        body = await case.answer()
        assert body["choices"][0]["message"]["content"] == "mail jane.doe@example.com"
        (asked,) = people.asked()
        assert (asked["temperature"], asked["max_tokens"]) == (0.25, 50)
        assert "jane.doe" not in orjson.dumps(asked).decode()
        row = case.loaded().row
        assert (row.state, row.http_status, row.holds, row.ready_ns, row.collected_ns) == ("completed", 200, 1, None, None)
        assert case.kinds() == ["opened", "parked", "decided", "resumed", "closed"]
        closed = case.record().first("closed")
        assert closed is not None
        assert [step[0] for step in closed.facts["steps"]][:1] == ["resume"]
        assert people.local.gateway.services.limits.running == 0


async def test_it_goes_on_once_however_often_it_is_told_to(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(), waiting=SLOW_SWEEPS) as people:
        case = await people.park()
        services = people.local.gateway.services
        async with people.full():
            await case.accept()
        await asyncio.gather(*(resume(services, "acme", case.intent) for _ in range(5)))
        assert await case.text() == "please"
        assert len(people.asked()) == 1
        assert case.kinds().count("resumed") == 1
        await resume(services, "acme", case.intent)
        await resume(services, "acme", "int_nothing")
        assert len(people.asked()) == 1


async def test_what_nobody_decided_does_not_go_on(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        await resume(people.local.gateway.services, "acme", case.intent)
        assert case.loaded().row.state == "parked"
        assert people.asked() == []


async def test_without_a_free_place_it_waits_for_one(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        async with people.full():
            await case.accept()
            await asyncio.sleep(0.3)
            assert case.loaded().row.state == "parked"
        assert await case.text() == "please"


async def test_a_key_that_is_revoked_meanwhile_gets_no_answer(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        caller = people.key("Eve", "caller")
        case = await people.park(key=caller)
        async with people.full():
            await case.accept()
            people.revoke(caller)
        assert await case.refusal() == ("refused", 403, ["key.revoked"])
        assert (case.task.state, people.asked(), set(case.loaded().payloads)) == ("decided", [], {"answer"})


async def test_the_approval_of_a_reviewer_whose_key_is_revoked_is_worth_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        async with people.full():
            await case.accept()
            assert is_reviewer(people.local.gateway.services, "acme", people.key_id(people.key("Bob")))
            people.revoke(people.key("Bob"))
        again = await case.held()
        assert again.id != case.first_task
        assert people.asked() == []
        await case.accept(by="Cleo")
        assert await case.text() == "please"
        closed = case.record().first("closed")
        assert closed is not None
        assert [one["name"] for one in closed.facts["approvals"]] == ["Cleo"]
        metrics = (await people.local.get("/metrics")).body.decode()
        assert 'why="key_revoked"' in metrics


async def test_a_decision_in_time_holds_though_the_intent_goes_on_later(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"expires_in_s": 1})) as people:
        case = await people.park("please")
        async with people.full():
            await case.accept()
            await asyncio.sleep(1.1)
        assert await case.text() == "please"


async def test_an_approval_whose_time_is_over_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "GRACE_NS", 0)
    async with desk(tmp_path, at_intent(terms={"expires_in_s": 1})) as people:
        case = await people.park()
        async with people.full():
            await case.accept()
            await asyncio.sleep(1.1)
        await case.held()
        assert people.asked() == []


@pytest.mark.parametrize("hook", ["intent", "answer"])
async def test_a_forged_approval_is_worth_nothing(tmp_path: Path, hook: str) -> None:
    async with desk(tmp_path, at_intent() if hook == "intent" else at_answer()) as people:
        case = await people.park()
        async with people.full():
            await case.accept()
            with people.local.gateway.database.write() as connection:
                connection.exec_driver_sql("UPDATE approvals SET name = 'Somebody Else'")
        await case.held()
        assert 'why="forged"' in (await people.local.get("/metrics")).body.decode()


async def test_a_call_that_was_changed_by_a_byte_is_held_again(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("pay 10")
        async with people.full():
            await case.accept()
            keys, kept = people.local.gateway.services.payload_keys, case.loaded().payloads["call"]
            call = keys.open("acme", case.intent, "call", kept.key_id, kept.sealed).replace(b"pay 10", b"pay 19")
            key_id, sealed = keys.seal("acme", case.intent, "call", call)
            with people.local.gateway.database.write() as connection:
                connection.exec_driver_sql("UPDATE payloads SET key_id = ?, sealed = ? WHERE kind = 'call'", (key_id, sealed))
        await case.held()
        assert people.asked() == []


async def test_a_draft_that_was_changed_by_a_byte_is_held_again(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer()) as people:
        case = await people.park("pay 10")
        async with people.full():
            await case.accept()
            keys, kept = people.local.gateway.services.payload_keys, case.loaded().payloads["draft"]
            key_id, sealed = keys.seal(
                "acme", case.intent, "draft", keys.open("acme", case.intent, "draft", kept.key_id, kept.sealed).replace(b"pay 10", b"pay 19")
            )
            with people.local.gateway.database.write() as connection:
                connection.exec_driver_sql("UPDATE payloads SET key_id = ?, sealed = ? WHERE kind = 'draft'", (key_id, sealed))
        await case.held()
        assert case.loaded().row.state == "parked"


async def test_without_the_payload_key_it_stays_and_goes_on_when_the_key_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.pipeline.resume.RETRY_S", 1)
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        async with people.full():
            await case.accept()
            kept = case.loaded().payloads["call"]
            swap(people, OTHER)
        await until(lambda: (case.loaded().row.ready_ns or 0) > time.time_ns())
        assert case.loaded().row.state == "parked"
        reply = await people.local.get(f"/v1/tasks/{case.first_task}", key=people.key("Bob"))
        assert kept.key_id in reply.json["context_missing"]
        assert "older_payload_keys" in reply.json["context_missing"]
        swap(people, OTHER, CURRENT)
        assert await case.text() == "please"
        assert case.kinds().count("resumed") == 1
        assert case.loaded().payloads["answer"].key_id != kept.key_id


async def test_without_the_payload_key_nothing_can_be_decided_and_nothing_is_lost(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        swap(people, OTHER)
        reply = await case.decide()
        assert (reply.status, reply.json["error"]["code"]) == (503, "payload_unavailable")
        assert case.loaded().payloads["call"].key_id in reply.json["error"]["message"]
        swap(people, OTHER, CURRENT)
        await case.accept()
        assert await case.text() == "please"


async def test_a_rotated_payload_key_reads_what_the_older_one_sealed(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer()) as people:
        case = await people.park()
        async with people.full():
            await case.accept("edit", content="better")
            swap(people, OTHER, CURRENT)
        assert await case.text() == "better"


async def test_a_call_that_is_not_kept_any_more_ends(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        async with people.full():
            await case.accept()
            with people.local.gateway.database.write() as connection:
                connection.exec_driver_sql("DELETE FROM payloads WHERE kind = 'call'")
        assert await case.refusal() == ("failed", 403, ["payload.expired"])


async def test_a_resumption_that_is_not_written_down_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        with monkeypatch.context() as patch:
            failed = fail_moves(patch, "resumed")
            await case.accept()
            await until(lambda: len(failed) > 1)
            assert people.asked() == []
            assert people.local.gateway.services.limits.running == 0
        assert await case.text() == "please"


async def test_an_answer_that_is_not_written_down_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        with monkeypatch.context() as patch:
            failed = fail_moves(patch, "closed")
            waiting = asyncio.create_task(people.ask(wait="2"))
            await case.accept()
            await until(lambda: failed)
            assert case.loaded().row.state == "running"
            reply = await waiting
        assert "answer" not in case.loaded().payloads
        assert reply.json["choices"][0]["message"]["content"] is None
        assert reply.json["gateway"]["state"] in {"running", "parked"}
        assert people.local.gateway.services.limits.running == 0


async def test_the_route_and_the_target_of_now_answer(tmp_path: Path) -> None:
    """A failure after an approval is told as it would be told at once."""
    async with desk(tmp_path, at_intent(), "rules: [{fault: {status: 500}}]") as people:
        case = await people.park()
        await case.accept()
        state, status, codes = await case.refusal()
        assert (state, status) == ("failed", 502)
        assert codes[0].startswith("upstream.")
        assert set(case.loaded().payloads) == {"answer"}


async def test_what_is_cut_off_by_the_end_of_the_process_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(), "rules: [{first_token_ms: 5000}]") as people:
        case = await people.park()
        await case.accept()
        await until(people.asked)
        services = people.local.gateway.services
        services.limits.draining = True
        await services.background.close(0)
        outcome = await case.outcome()
        assert outcome.state is State.CANCELLED
        assert outcome.error is not None
        assert (outcome.status, outcome.error.reason_code) == (503, "shutting_down")
        closed = case.record().first("closed")
        assert closed is not None
        assert closed.facts["reason"] == "gateway.shutdown"


@pytest.mark.parametrize("waiting", [QUICK, SLOW_SWEEPS])
async def test_a_reviewed_repair_keeps_its_cost_attempts_and_repairs(tmp_path: Path, waiting: str) -> None:
    script = "rules: [{replies: ['no json', '{\"n\": 1}'], usage: {input: 1000, output: 0}}]"
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "required": ["n"]}}}
    assistant = "{target: simulated, retries: {max: 0}, repair: {asks: 1}}"
    async with desk(tmp_path, at_answer(), script, waiting=waiting, assistant=assistant) as people:
        case = await people.park(response_format=schema)
        await case.accept()
        told: Any = (await case.answer())["gateway"]
        assert (told["attempts"], told["cost_microusd"], told["repairs"], told["schema_valid"]) == (2, 300, ["asked"], True)
        closed = case.record().first("closed")
        assert closed is not None
        assert [attempt["purpose"] for attempt in closed.facts["attempts"]] == ["first", "repair"]
        assert [repair["kind"] for repair in closed.facts["repairs"]] == ["asked"]
        metrics = (await people.local.get("/metrics")).body.decode()
        assert 'gateway_repairs_total{result="repaired",route="assistant"} 1.0' in metrics


async def test_the_policy_of_the_answer_sees_the_approvals_of_the_intent(tmp_path: Path) -> None:
    approved = 'some one in input.approvals; one.hook == "intent"; one.name == "Bob"'
    policies = {"intent.rego": escalates("intent"), "answer.rego": escalates("answer", when=approved)}
    async with desk(tmp_path, policies) as people:
        case = await people.park()
        await case.accept()
        assert (await case.held()).hook == "answer"
