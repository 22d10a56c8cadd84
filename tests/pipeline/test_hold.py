"""What is held is written down in one piece, is shown to people as far as policy says, and is joined by whoever says the same."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.intents import IntentStore
from gateway.infrastructure.database import DatabaseError
from gateway.pipeline import hold
from gateway.testing import ALLOW_ALL
from tests.pipeline.desk import Desk, at_answer, at_intent, desk, escalates, fail_moves, until

MAIL = "jane.doe@example.com"


@pytest.mark.parametrize(("hook", "entries"), [("intent", ["opened", "parked"]), ("answer", ["opened", "parked"])])
async def test_row_task_payloads_and_record_are_there_when_the_caller_is_told(tmp_path: Path, hook: str, entries: list[str]) -> None:
    policies = {**ALLOW_ALL, f"{hook}.rego": escalates(hook, terms={"min_approvers": 2, "expires_in_s": 600, "on_expiry": "release"})}
    async with desk(tmp_path, policies, queues="{default: {due_s: 60}}") as people:
        case = await people.park("hello")
        row, task, kept = case.loaded().row, case.task, case.loaded().payloads
        assert (row.state, row.version, row.holds, row.ready_ns, row.idempotency_key) == ("parked", 1, 1, None, None)
        assert (task.state, task.min_approvers, task.on_expiry, task.requester_name) == ("open", 2, "release", "test")
        assert task.due_ns - task.created_ns == 60_000_000_000
        assert task.expires_ns - task.created_ns == 600_000_000_000
        assert set(kept) == {"call", "context"} | ({"draft"} if hook == "answer" else set())
        assert all(payload.expires_ns is not None and payload.expires_ns > task.expires_ns for payload in kept.values())
        assert case.kinds() == entries
        record = case.record()
        assert record.state == "parked"
        parked = record.entries[-1].facts
        assert {name: parked[name] for name in ("task", "queue", "mode", "hook", "due_ns", "expires_ns", "on_expiry", "min_approvers")} == {
            name: getattr(task, "id" if name == "task" else name)
            for name in ("task", "queue", "mode", "hook", "due_ns", "expires_ns", "on_expiry", "min_approvers")
        }
        assert [reason["rule"] for reason in parked["reasons"]] == ["ask.people"]
        assert len(parked["attempts"]) == (hook == "answer")
        pending = case.pending.json
        assert pending["choices"][0]["message"]["content"] is None
        assert pending["gateway"]["task"]["id"] == task.id


async def test_a_task_is_due_before_it_expires(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"expires_in_s": 5})) as people:
        task = (await people.park()).task
        assert task.due_ns == task.expires_ns


@pytest.mark.parametrize(("person", "request_shown", "draft_shown"), [((), "<EMAIL_ADDRESS_", "<EMAIL_ADDRESS_"), (("EMAIL_ADDRESS",), MAIL, MAIL)])
async def test_people_see_what_policy_reveals_to_them(tmp_path: Path, person: tuple[str, ...], request_shown: str, draft_shown: str) -> None:
    async with desk(tmp_path, at_answer(person=person), "rules: [{reply: 'wrote to {echo}'}]") as people:
        case = await people.park(MAIL)
        context = (await case.shown())["context"]
        assert request_shown in context["request"]["messages"][0]["content"]
        assert context["draft"]["choices"][0]["content"].startswith(f"wrote to {draft_shown}")
        assert (context["draft"]["source"], context["revealed"]) == ("model", sorted(person))
        assert MAIL not in orjson.dumps(case.record().as_json()).decode()
        raw = (tmp_path / "gateway.db").read_bytes() + (tmp_path / "gateway.db-wal").read_bytes()
        assert MAIL.encode() not in raw
        await case.accept()
        assert await case.text() == f"wrote to {MAIL}"


async def test_the_same_call_joins_the_one_that_waits(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello")
        again = await people.ask("hello")
        assert (again.status, again.headers["x-gateway-record"]) == (200, case.intent)
        assert (again.json["gateway"]["joined"], again.json["gateway"]["task"]["id"]) == (True, case.first_task)
        assert len(people.query("SELECT * FROM tasks")) == 1
        other = next(entry for entry in await people.local.entries() if entry["kind"] == "closed")
        assert (other["facts"]["state"], other["facts"]["reason"], other["facts"]["joined"]) == ("cancelled", "joined", case.intent)
        waiting = [asyncio.create_task(people.ask("hello", wait="20")) for _ in range(3)]
        await case.accept()
        replies = await asyncio.gather(*waiting)
        assert {reply.text for reply in replies} == {"hello"}
        assert len(people.asked()) == 1


@pytest.mark.parametrize("more", [{"text": "hello!"}, {"temperature": 0.5}, {"stream": True}])
async def test_one_byte_else_is_another_call(tmp_path: Path, more: dict[str, Any]) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello")
        other = await people.ask(**{"text": "hello", **more})
        assert other.headers["x-gateway-record"] != case.intent
        assert len(people.rows()) == 2


async def test_nobody_joins_the_call_of_another_subject(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello")
        other = await people.park("hello", key=people.key("Eve", "caller"))
        assert other.intent != case.intent
        assert len(people.query("SELECT * FROM tasks")) == 2


async def test_an_answer_is_joined_until_somebody_has_fetched_it(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello")
        await case.accept()
        await case.outcome()
        fetched = await people.ask("hello")
        assert (fetched.text, fetched.headers["x-gateway-record"]) == ("hello", case.intent)
        await until(lambda: case.loaded().row.collected_ns)
        afresh = await people.park("hello")
        assert afresh.intent != case.intent


async def test_after_the_time_for_joining_the_same_call_is_a_new_one(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(), waiting="{sweep_s: 0.1, poll_s: 0.05, join_s: 1}") as people:
        case = await people.park("hello")
        await until(lambda: time.time_ns() - case.loaded().row.created_ns > 1_100_000_000)
        assert (await people.park("hello")).intent != case.intent


async def test_calls_that_come_at_once_and_are_all_reviewed_become_one(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(), "rules: [{first_token_ms: 200}]") as people:
        replies = await asyncio.gather(*(people.ask("hello") for _ in range(4)))
        assert {reply.status for reply in replies} == {200}
        assert len({reply.headers["x-gateway-record"] for reply in replies}) == 1
        assert len(people.query("SELECT * FROM tasks")) == 1
        kinds: dict[str, list[str]] = {}
        for entry in (await people.local.entries())[1:]:  # the first is its chain's own
            kinds.setdefault(str(entry["intent_id"]), []).append(str(entry["kind"]))
        assert sorted(kinds.values()) == [["opened", "closed"]] * 3 + [["opened", "parked"]]


async def test_who_leaves_while_it_is_being_held_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, began = hold._context, asyncio.Event()

    def slow(*arguments: Any) -> Any:
        loop.call_soon_threadsafe(began.set)
        time.sleep(0.3)
        return real(*arguments)

    async with desk(tmp_path, at_intent()) as people:
        loop = asyncio.get_running_loop()
        people.local.key()
        monkeypatch.setattr(hold, "_context", slow)
        call = asyncio.create_task(people.ask("hello", wait="20"))
        await began.wait()
        call.cancel()
        await asyncio.wait({call})
        await until(lambda: list(people.rows().values()) == ["parked"])
        assert [entry["kind"] for entry in await people.local.entries()] == ["genesis", "opened", "parked"]
        assert people.local.gateway.services.limits.running == 0


@pytest.mark.parametrize("hook", ["intent", "answer"])
async def test_what_cannot_be_written_down_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    async with desk(tmp_path, {**ALLOW_ALL, f"{hook}.rego": escalates(hook)}) as people:
        with monkeypatch.context() as patch:
            failed = fail_moves(patch, "parked")
            reply = await people.ask("hello")
        assert (reply.status, reply.json["error"]["code"]) == (503, "record_unavailable")
        assert failed == (["opened", "parked"] if hook == "intent" else ["parked"])
        assert people.rows() == {}
        assert people.local.gateway.services.limits.running == 0
        case = await people.park("hello")
        await case.accept()
        assert await case.text() == "hello"


async def test_a_join_whose_partner_cannot_be_read_is_refused_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise DatabaseError("gone")

    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello")
        with monkeypatch.context() as patch:
            patch.setattr(IntentStore, "load", broken)
            reply = await people.ask("hello")
        assert (reply.status, reply.json["error"]["code"]) == (503, "record_unavailable")
        assert people.rows() == {case.intent: "parked"}


async def test_what_is_kept_of_a_call_lasts_as_long_as_its_last_hold(tmp_path: Path) -> None:
    policies = {"intent.rego": escalates("intent", terms={"expires_in_s": 60}), "answer.rego": escalates("answer", terms={"expires_in_s": 1_000_000})}
    async with desk(tmp_path, policies) as people:
        case = await people.park("hello")
        await case.accept()
        task = await case.held()
        assert all((payload.expires_ns or 0) > task.expires_ns for payload in case.loaded().payloads.values())
        assert set(case.loaded().payloads) == {"call", "context", "draft"}


async def embed(people: Desk, text: str = "hello") -> Any:
    headers = {"content-type": "application/json", "authorization": f"Bearer {people.local.key()}", "x-gateway-wait": "0"}
    return await people.local.request("POST", "/v1/embeddings", headers, orjson.dumps({"model": "assistant", "input": [text, MAIL]}))


async def test_embeddings_can_be_approved_before_the_call(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        pending = await embed(people)
        assert (pending.status, pending.json["error"]["code"]) == (409, "pending")
        assert people.asked("/v1/embeddings") == []
        task = people.query("SELECT id, intent_id FROM tasks")[0]
        context = (await people.local.get(f"/v1/tasks/{task['id']}", key=people.key("Bob"))).json["context"]
        assert context["request"]["input"][0] == "hello"
        assert MAIL not in orjson.dumps(context).decode()
        assert (await people.post(f"/v1/tasks/{task['id']}/decide", {"action": "accept"})).status == 200
        outcome = await people.local.gateway.services.waiting.outcome("acme", task["intent_id"], 20)
        assert outcome is not None
        assert outcome.body is not None
        assert len(outcome.body["data"]) == 2
        fetched = await embed(people)
        assert (fetched.status, fetched.json) == (200, outcome.body)
        assert len(people.asked("/v1/embeddings")) == 1


@pytest.mark.parametrize("policies", [at_intent(terms={"mode": "answer"}), at_answer()], ids=["answered", "reviewed"])
async def test_nobody_judges_vectors(tmp_path: Path, policies: dict[str, str]) -> None:
    async with desk(tmp_path, policies) as people:
        reply = await embed(people)
        if reply.status == 200:  # the answer hook is not asked about vectors
            assert policies["intent.rego"] == ALLOW_ALL["intent.rego"]
        else:
            assert (reply.status, reply.json["gateway"]["reasons"][0]["rule"]) == (403, "policy.unsupported")
        assert people.rows() == {}
