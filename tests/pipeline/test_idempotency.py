"""A call with a key is made once: sent again it gets the same answer, waits for it, or is told that it was another one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.intents import IntentStore
from gateway.capabilities.payloads import PayloadKeys
from gateway.infrastructure.database import DatabaseError
from gateway.testing import ALLOW_ALL, Reply
from tests.pipeline.desk import Desk, at_answer, at_intent, desk, escalates, fail_moves, until
from tests.pipeline.rego import intent_says

KEY = {"Idempotency-Key": "order-1"}
DENY = {"outcome": "deny", "reasons": [{"rule": "no", "message": "no"}], "obligations": {}}
SLOW = "rules: [{first_token_ms: 300}]"


async def once(people: Desk, text: str = "hello", *, key: str | None = None, wait: str = "20", name: str = "order-1", **more: Any) -> Reply:
    return await people.ask(text, key=key, wait=wait, headers={"Idempotency-Key": name}, **more)


async def test_the_same_call_gets_the_same_answer_and_the_model_is_asked_once(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL) as people:
        first, second = await once(people), await once(people)
        assert (first.status, first.text) == (200, "hello")
        assert first.json == second.json
        assert second.headers["x-gateway-record"] == first.headers["x-gateway-record"]
        assert len(people.asked()) == 1
        (row,) = people.query("SELECT state, holds, idempotency_key, http_status FROM intents")
        assert row == {"state": "completed", "holds": 0, "idempotency_key": "order-1", "http_status": 200}
        assert [row["kind"] for row in people.query("SELECT kind FROM payloads")] == ["answer"]


async def test_a_key_is_its_subjects_own_and_one_of_many(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL) as people:
        await once(people)
        await once(people, "another", key=people.key("Eve", "caller"))
        await once(people, "another", name="order-2")
        assert len(people.asked()) == 3


@pytest.mark.parametrize("more", [{"text": "hello!"}, {"temperature": 0.1}, {"stream": True}])
async def test_another_body_under_the_key_is_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    async with desk(tmp_path, ALLOW_ALL) as people:
        await once(people)
        reply = await once(people, **{"text": "hello", **more})
        assert (reply.status, reply.json["error"]["code"], reply.json["error"]["param"]) == (409, "idempotency_key_reused", "Idempotency-Key")
        assert len(people.asked()) == 1


@pytest.mark.parametrize("hook", ["", "intent", "answer"])
async def test_calls_that_come_at_once_are_made_once(tmp_path: Path, hook: str) -> None:
    policies = {**ALLOW_ALL, **({f"{hook}.rego": escalates(hook)} if hook else {})}
    async with desk(tmp_path, policies, SLOW) as people:
        calls = [asyncio.create_task(once(people)) for _ in range(4)]
        if hook:
            await until(lambda: "parked" in people.rows().values())
            (task,) = people.query("SELECT id FROM tasks")
            assert (await people.post(f"/v1/tasks/{task['id']}/decide", {"action": "accept"})).status == 200
        replies = await asyncio.gather(*calls)
        assert {(reply.status, reply.text) for reply in replies} == {(200, "hello")}
        assert len(people.asked()) == 1
        assert list(people.rows().values()) == ["completed"]


async def test_of_calls_at_once_with_other_bodies_one_is_made(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL, SLOW) as people:
        replies = await asyncio.gather(*(once(people, f"text {at}") for at in range(4)))
        assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]
        assert len(people.asked()) == 1


async def test_who_comes_again_while_it_runs_is_told_so(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL, "rules: [{first_token_ms: 600}]") as people:
        call = asyncio.create_task(once(people))
        await until(people.asked)
        again = await once(people, wait="0")
        assert again.json["choices"][0]["message"]["content"] is None
        assert (again.json["gateway"]["state"], again.json["gateway"]["task"]) == ("running", None)
        assert (await call).text == "hello"


async def test_who_comes_again_while_people_decide_is_told_who(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        first, again = await once(people, wait="0"), await once(people, wait="0")
        for reply in (first, again):
            assert (reply.headers["x-gateway-decision"], reply.json["gateway"]["state"]) == ("escalate", "parked")
        assert first.headers["x-gateway-task"] == again.headers["x-gateway-task"]


async def test_a_failure_frees_the_key(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL, "rules: [{fault: {status: 500, times: 1}}]") as people:
        failed, second = await once(people), await once(people)
        assert (failed.status, second.status) == (502, 200)
        assert sorted(people.rows().values()) == ["completed", "failed"]


async def test_what_policy_refuses_is_asked_again(tmp_path: Path) -> None:
    async with desk(tmp_path, intent_says(DENY)) as people:
        assert (await once(people)).status == 403
        assert people.rows() == {}
        await people.policy(ALLOW_ALL)
        assert (await once(people)).status == 200


async def test_what_a_person_refused_stays_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello", headers=KEY)
        await case.accept("refuse")
        await case.outcome()
        reply = await once(people)
        assert (reply.status, reply.headers["x-gateway-record"]) == (403, case.intent)
        assert reply.headers["x-should-retry"] == "false"


async def test_what_was_cancelled_stays_so_under_its_key(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park("hello", headers=KEY)
        cancelled = await people.local.request("DELETE", f"/v1/intents/{case.intent}", {"authorization": f"Bearer {people.local.key()}"}, b"")
        assert cancelled.status == 200
        again = await once(people, wait="0")
        assert (again.status, again.json["error"]["code"], again.headers["x-gateway-record"]) == (409, "cancelled", case.intent)


async def test_its_caller_can_leave_and_come_again(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL, SLOW) as people:
        people.local.key()
        call = asyncio.create_task(once(people))
        await until(people.asked)
        call.cancel()
        await asyncio.wait({call})
        assert (await once(people)).text == "hello"
        assert len(people.asked()) == 1


@pytest.mark.parametrize("policies", [ALLOW_ALL, at_answer()], ids=["at once", "reviewed"])
async def test_a_stream_comes_whole_and_again(tmp_path: Path, policies: dict[str, str]) -> None:
    async with desk(tmp_path, policies) as people:
        call = asyncio.create_task(once(people, stream=True, stream_options={"include_usage": True}))
        if policies is not ALLOW_ALL:
            await until(lambda: "parked" in people.rows().values())
            (task,) = people.query("SELECT id FROM tasks")
            assert (await people.post(f"/v1/tasks/{task['id']}/decide", {"action": "accept"})).status == 200
        first, second = await call, await once(people, stream=True, stream_options={"include_usage": True})
        for reply in (first, second):
            assert (reply.text, reply.done) == ("hello", True)
            assert reply.events[-1]["usage"]["total_tokens"] > 0
        assert first.events == second.events
        assert len(people.asked()) == 1


async def test_where_nothing_can_be_kept_no_call_can_be_made_only_once(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL) as people:
        object.__setattr__(people.local.gateway.services, "payload_keys", PayloadKeys({}))
        reply = await once(people)
        assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
        assert "tenants.acme.payload_key" in reply.json["error"]["message"]
        assert people.asked() == []


async def test_without_a_record_of_its_beginning_it_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, ALLOW_ALL) as people:
        with monkeypatch.context() as patch:
            fail_moves(patch, "opened")
            assert (await once(people)).status == 503
        assert (people.asked(), people.rows()) == ([], {})
        assert (await once(people)).status == 200


async def test_without_the_database_it_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise DatabaseError("gone")

    async with desk(tmp_path, ALLOW_ALL) as people:
        with monkeypatch.context() as patch:
            patch.setattr(IntentStore, "by_key", broken)
            reply = await once(people)
        assert (reply.status, reply.json["error"]["code"]) == (503, "record_unavailable")
        assert people.asked() == []


async def test_after_its_time_the_key_is_free(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL) as people:
        await once(people)
        with people.local.gateway.database.write() as connection:
            connection.exec_driver_sql("UPDATE intents SET expires_ns = 1")
        assert (await once(people, "another body")).status == 200
        assert len(people.asked()) == 2
