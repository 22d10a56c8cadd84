"""What people may decide, what becomes of what they write, and what of it stands on record."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.tasks.store import TaskStore
from gateway.domain import Json
from gateway.infrastructure.database import DatabaseError
from gateway.testing import ALLOW_ALL
from tests.pipeline.desk import Case, at_answer, at_intent, desk, escalates, fail_moves, until

MAIL, NEW = "jane.doe@example.com", "eve.new@example.com"
SECRET = "sk-proj-" + "a1B2c3D4" * 6
ANSWERS = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}}
FOUR_EYES = {"min_approvers": 2}


def error(reply: Any) -> tuple[int, str]:
    return reply.status, reply.json["error"]["code"]


def entry(case: Case, kind: str, at: int = -1) -> Json:
    found = case.record().all(kind)[at]
    return {"facts": found.facts, "content": found.content}


async def test_a_decision_is_on_record_with_who_made_it_and_a_comment_without_values(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park(f"write to {MAIL}")
        await case.accept(comment=f"fine for {MAIL}, not for {NEW}, see {SECRET}")
        await case.answer()
        decided = entry(case, "decided")
        facts = decided["facts"]
        assert (facts["name"], facts["action"], facts["complete"], facts["by"]) == ("Bob", "accept", True, people.key_id(people.key("Bob")))
        comment = decided["content"]["comment"]
        assert comment.startswith("fine for <EMAIL_ADDRESS_")
        assert all(value not in comment for value in (MAIL, NEW, SECRET))
        assert MAIL not in orjson.dumps(case.record().as_json()).decode()
        resumed = entry(case, "resumed")["facts"]
        assert (resumed["approvals"], resumed["why"]) == ([facts["approval"]], "decided")
        (approval,) = people.query("SELECT * FROM approvals")
        assert (approval["id"], approval["used_ns"] is not None) == (facts["approval"], True)
        assert set(case.loaded().payloads) == {"answer"}


@pytest.mark.parametrize(
    ("mode", "body", "status", "code"),
    [
        ("approve", {"action": "edit", "content": "x"}, 400, "invalid_request"),
        ("approve", {"action": "answer", "content": "x"}, 400, "invalid_request"),
        ("answer", {"action": "edit", "content": "x"}, 400, "invalid_request"),
        ("answer", {"action": "accept"}, 400, "invalid_request"),
        ("answer", {"action": "answer"}, 400, "invalid_request"),
        ("answer", {"action": "answer", "content": ["a", "b"]}, 400, "invalid_request"),
        ("review", {"action": "answer", "content": "x"}, 400, "invalid_request"),
        ("review", {"action": "edit"}, 400, "invalid_request"),
        ("review", {"action": "accept", "content": "x"}, 400, "invalid_request"),
        ("review", {"action": "edit", "content": []}, 400, "invalid_request"),
        ("review", {"action": "accept", "version": 7}, 409, "task_changed"),
    ],
)
async def test_what_does_not_fit_the_task_is_refused_and_decides_nothing(tmp_path: Path, mode: str, body: Json, status: int, code: str) -> None:
    async with desk(tmp_path, at_answer() if mode == "review" else at_intent(terms={"mode": mode})) as people:
        case = await people.park()
        assert error(await case.decide(**body)) == (status, code)
        assert (case.task.state, case.task.version, case.kinds()) == ("open", 1, ["opened", "parked"])


async def test_a_person_refuses_and_the_caller_is_told_so_but_not_why(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer()) as people:
        waiting = asyncio.create_task(people.ask("hello", wait="20"))
        await until(people.rows)
        case = Case(desk=people, intent=next(iter(people.rows())), first_task="", pending=None)  # type: ignore[arg-type]  # it has no answer yet
        await case.accept("refuse", comment="not like this")
        reply = await waiting
        assert (reply.status, reply.json["gateway"]["reasons"]) == (403, [{"rule": "person.refused", "message": "a person refused it"}])
        assert b"not like this" not in reply.body
        assert (case.task.state, case.task.outcome, case.loaded().row.state) == ("decided", "refuse", "refused")
        assert entry(case, "decided")["content"]["comment"] == "not like this"
        assert entry(case, "closed")["facts"]["reason"] == "person.refused"
        assert error(await case.decide()) == (409, "task_closed")
        assert case.kinds() == ["opened", "parked", "decided", "closed"]


async def test_an_edited_answer_takes_the_models_place_and_its_cost_stays_on_record(tmp_path: Path) -> None:
    script = "rules: [{reply: 'the model said it', usage: {input: 1000, output: 1000}}]"
    async with desk(tmp_path, at_answer(), script) as people:
        case = await people.park()
        await case.accept("edit", content="a person said it")
        body = await case.answer()
        assert body["choices"][0]["message"] == {"role": "assistant", "content": "a person said it", "refusal": None}
        told = body["gateway"]
        assert (told["target"], told["attempts"], told["cost_microusd"]) == ("person", 1, 750)
        assert told["held"] == {"task": case.first_task, "mode": "review", "action": "edit"}
        closed = entry(case, "closed")
        assert [attempt["cost_microusd"] for attempt in closed["facts"]["attempts"]] == [750]
        assert closed["content"]["answer"][0]["content"] == "a person said it"
        assert entry(case, "decided")["content"]["answer"][0]["content"] == "a person said it"
        assert len(people.asked()) == 1


async def test_what_a_person_wrote_is_judged_like_any_answer(tmp_path: Path) -> None:
    """Secrets never leave, new personal data only where the answer policy reveals it, and it is told who brought them."""
    async with desk(tmp_path, at_intent(terms={"mode": "answer"})) as people:
        case = await people.park(f"who is {MAIL}")
        await case.accept("answer", content=f"{MAIL} is not {NEW}; the key is {SECRET}")
        text = await case.text()
        assert text.startswith(f"{MAIL} is not <EMAIL_ADDRESS_")
        assert all(value not in text for value in (NEW, SECRET))
        closed = entry(case, "closed")["facts"]
        assert {finding["origin"] for finding in closed["findings"]} == {"person"}
        assert (closed["attempts"], people.asked()) == ([], [])
        kept = orjson.dumps(case.record().as_json()).decode()
        assert all(value not in kept for value in (MAIL, NEW, SECRET))


async def test_placeholders_that_a_person_leaves_are_the_callers_own_values_again(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(), "rules: [{reply: 'wrote to {echo}'}]") as people:
        case = await people.park(MAIL)
        shown = (await case.shown())["context"]["draft"]["choices"][0]["content"]
        assert MAIL not in shown
        await case.accept("edit", content=f"I have {shown}.")
        assert await case.text() == f"I have wrote to {MAIL}."


async def test_the_answer_policy_can_hold_and_refuse_what_a_person_wrote(tmp_path: Path) -> None:
    strict = escalates("answer", when='input.answer.source == "person"', rule="second.look")
    async with desk(tmp_path, {"intent.rego": escalates("intent", terms={"mode": "answer"}), "answer.rego": strict}) as people:
        case = await people.park()
        await case.accept("answer", content="by hand")
        review = await case.held()
        assert (review.mode, review.hook) == ("review", "answer")
        draft = (await case.shown())["context"]["draft"]
        assert (draft["source"], draft["author"], draft["choices"][0]["content"]) == ("person", "Bob", "by hand")
        await case.accept(by="Cleo")
        assert await case.text() == "by hand"
        again = await people.park("another")
        await again.accept("answer", content="by hand")
        await again.held()
        await again.accept("refuse", by="Cleo")
        assert await again.refusal() == ("refused", 403, ["person.refused"])


@pytest.mark.parametrize("mode", ["review", "answer"])
async def test_what_breaks_the_schema_is_not_taken(tmp_path: Path, mode: str) -> None:
    policies, action = (at_answer(), "edit") if mode == "review" else (at_intent(terms={"mode": "answer"}), "answer")
    async with desk(tmp_path, policies, "rules: [{reply: '{\"n\": 1}'}]") as people:
        case = await people.park(response_format=ANSWERS)
        for broken in ("no json", '{"n": "Jane"}', "{}"):
            reply = await case.decide(action, content=broken)
            assert error(reply) == (400, "answer.schema_invalid")
            assert b"Jane" not in reply.body
        assert case.task.version == 1
        await case.accept(action, content='{"n": 2}')
        body = await case.answer()
        assert (body["choices"][0]["message"]["content"], body["gateway"]["schema_valid"]) == ('{"n": 2}', True)


async def test_each_of_several_choices_needs_its_text(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer()) as people:
        case = await people.park(n=2)
        assert len((await case.shown())["context"]["draft"]["choices"]) == 2
        reply = await case.decide("edit", content="one")
        assert error(reply) == (400, "invalid_request")
        assert "2 choices" in reply.json["error"]["message"]
        await case.accept("edit", content=["one", "two"])
        assert [choice["message"]["content"] for choice in (await case.answer())["choices"]] == ["one", "two"]


async def test_two_different_people_have_to_approve(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms=FOUR_EYES, enough=2)) as people:
        case = await people.park()
        await case.accept()
        assert (case.task.state, case.loaded().row.ready_ns, case.loaded().row.state) == ("open", None, "parked")
        assert error(await case.decide()) == (409, "already_approved")
        reply = await people.post(f"/v1/tasks/{case.task.id}/decide", {"action": "accept"}, by="bob")
        assert error(reply) == (409, "already_approved"), "another key of the same name is the same person"
        await case.accept(by="Cleo")
        assert await case.text() == "please"
        closed = entry(case, "closed")["facts"]
        assert [one["name"] for one in closed["approvals"]] == ["Bob", "Cleo"]
        assert [one.facts["complete"] for one in case.record().all("decided")] == [False, True]


async def test_whoever_edits_asks_the_others_again(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(terms=FOUR_EYES, enough=2)) as people:
        case = await people.park()
        await case.accept()
        await case.accept("edit", by="Cleo", content="better")
        assert (case.task.state, [one["revoked_ns"] is not None for one in people.query("SELECT * FROM approvals ORDER BY at_ns")]) == ("open", [True, False])
        draft = (await case.shown())["context"]["draft"]
        assert (draft["author"], draft["choices"][0]["content"]) == ("Cleo", "better")
        assert error(await case.decide(by="Cleo")) == (409, "already_approved")
        await case.accept()
        assert await case.text() == "better"
        assert [(one["name"], one["action"]) for one in entry(case, "closed")["facts"]["approvals"]] == [("Cleo", "edit"), ("Bob", "accept")]
        assert 'why="scope"' not in (await people.local.get("/metrics")).body.decode()  # an edit alone is no approval that somebody has bent


@pytest.mark.parametrize("mode", ["review", "answer"])
async def test_what_another_has_changed_is_not_approved_by_who_has_not_seen_it(tmp_path: Path, mode: str) -> None:
    """Without a version nobody accepts what several judge, and with the one that they saw not what was put in its place since."""
    policies = at_answer(terms=FOUR_EYES, enough=2) if mode == "review" else at_intent(terms={**FOUR_EYES, "mode": "answer"}, enough=2)
    action = "edit" if mode == "review" else "answer"
    async with desk(tmp_path, policies) as people:
        case = await people.park()
        await case.accept(action, by="Cleo", content="as seen")
        seen = (await case.shown())["version"]
        await case.accept(action, by="Cleo", content="as changed")
        reply = await case.decide(version=None)
        assert (*error(reply), reply.json["error"]["param"]) == (400, "invalid_request", "version")
        assert error(await case.decide(version=seen)) == (409, "task_changed")
        assert (case.task.state, len(case.record().all("decided"))) == ("open", 2)
        await case.accept(version=(await case.shown())["version"])
        assert await case.text() == "as changed"


async def test_who_refuses_what_has_been_approved_since_it_was_read_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, at_answer(terms=FOUR_EYES, enough=2)) as people:
        case = await people.park()
        before = case.task
        await case.accept()
        monkeypatch.setattr(people.local.gateway.services.tasks, "get", lambda *_: before)
        assert error(await case.decide("refuse", by="Cleo")) == (409, "task_changed")
        assert (case.loaded().row.state, case.kinds()) == ("parked", ["opened", "parked", "decided"])


async def test_a_second_person_accepts_the_answer_of_the_first(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={**FOUR_EYES, "mode": "answer"}, enough=2)) as people:
        case = await people.park()
        await case.accept("answer", content="by hand")
        assert set(case.loaded().payloads) == {"call", "context", "draft"}
        assert (await case.shown(by="Cleo"))["context"]["draft"]["choices"][0]["content"] == "by hand"
        await case.accept(by="Cleo")
        assert await case.text() == "by hand"
        assert people.asked() == []


async def test_who_has_approved_can_take_it_back(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms=FOUR_EYES, enough=2)) as people:
        case = await people.park()
        path = f"/v1/tasks/{case.first_task}/withdraw"
        assert error(await people.post(path)) == (404, "not_found")
        await case.accept()
        assert error(await people.post(path, by="Cleo")) == (404, "not_found")
        assert (await people.post(path)).status == 200
        assert error(await people.post(path)) == (404, "not_found")
        await case.accept(by="Cleo")
        assert case.task.state == "open"
        await case.accept()
        assert await case.text() == "please"
        assert [(one.facts["action"], one.facts["name"]) for one in case.record().all("decided")] == [
            ("accept", "Bob"),
            ("withdraw", "Bob"),
            ("accept", "Cleo"),
            ("accept", "Bob"),
        ]
        assert error(await people.post(path)) == (409, "task_closed")


@pytest.mark.parametrize(("name", "may"), [("test", False), ("TEST", False), ("Bob", True)])
async def test_who_asked_must_not_decide_where_policy_says_so(tmp_path: Path, name: str, may: bool) -> None:
    async with desk(tmp_path, at_intent(terms={"distinct_from": ["requester"]})) as people:
        case = await people.park()
        reply = await case.decide(by=name)
        if may:
            assert (reply.status, await case.text()) == (200, "please")
        else:
            assert (error(reply), case.task.state) == ((403, "not_distinct"), "open")


async def test_who_decided_before_must_not_decide_again_where_policy_says_so(tmp_path: Path) -> None:
    policies = {"intent.rego": escalates("intent"), "answer.rego": escalates("answer", terms={"distinct_from": ["reviewers"]})}
    async with desk(tmp_path, policies) as people:
        case = await people.park()
        await case.accept()
        await case.held()
        assert error(await case.decide()) == (403, "not_distinct")
        await case.accept(by="Cleo")
        assert await case.text() == "please"


async def test_what_somebody_works_on_is_left_alone(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        assert (await people.post(f"/v1/tasks/{case.first_task}/claim", by="Cleo")).status == 200
        for action in ("accept", "refuse"):
            reply = await case.decide(action)
            assert error(reply) == (409, "task_claimed")
            assert "Cleo" in reply.json["error"]["message"]
        await case.accept(by="Cleo")
        assert await case.text() == "please"


async def test_of_two_who_decide_at_once_one_does(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        people.key("Bob"), people.key("Cleo")
        replies = await asyncio.gather(case.decide(), case.decide("refuse", by="Cleo"), case.decide(by="Cleo"))
        assert sorted(reply.status for reply in replies) == [200, 409, 409]
        assert (await case.outcome()).state in {"completed", "refused"}
        assert len(case.record().all("decided")) == 1


@pytest.mark.parametrize("action", ["accept", "refuse"])
async def test_a_decision_that_is_not_written_down_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        with monkeypatch.context() as patch:
            fail_moves(patch, "decided")
            assert error(await case.decide(action)) == (503, "record_unavailable")
        assert (case.task.state, case.loaded().row.state) == ("open", "parked")
        await case.accept()
        assert await case.text() == "please"


async def test_without_a_database_nothing_is_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise DatabaseError("gone")

    async with desk(tmp_path, at_intent(terms=FOUR_EYES, enough=2)) as people:
        case = await people.park()
        with monkeypatch.context() as patch:
            patch.setattr(TaskStore, "get", broken)
            assert error(await people.post(f"/v1/tasks/{case.first_task}/decide", {"action": "accept"})) == (503, "record_unavailable")
        assert case.task.version == 1


async def test_a_call_whose_key_is_revoked_is_not_decided(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        caller = people.key("Eve", "caller")
        case = await people.park(key=caller)
        people.revoke(caller)
        assert error(await case.decide()) == (409, "key_revoked")
        assert (case.task.state, case.loaded().row.state) == ("cancelled", "refused")
        assert await case.refusal() == ("refused", 403, ["key.revoked"])


async def test_a_refusal_needs_neither_the_call_nor_its_key(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        caller = people.key("Eve", "caller")
        case = await people.park(key=caller)
        people.revoke(caller)
        with people.local.gateway.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM payloads WHERE kind IN ('call', 'context')")
        assert (await case.decide("refuse", comment=f"ask {NEW}")).status == 200
        assert (case.task.state, case.loaded().row.state) == ("decided", "refused")
        decided = case.record().first("decided")
        assert decided is not None
        assert NEW not in str(decided.content)


async def test_an_erased_call_is_not_decided(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        with people.local.gateway.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM payloads WHERE kind = 'call'")
        assert error(await case.decide()) == (409, "payload_expired")


async def test_the_reviewer_who_reviews_what_others_wrote_sees_only_what_policy_reveals(tmp_path: Path) -> None:
    async with desk(tmp_path, {**ALLOW_ALL, "answer.rego": escalates("answer", terms=FOUR_EYES, enough=2)}) as people:
        case = await people.park()
        await case.accept("edit", content=f"ask {NEW}, with {SECRET}")
        shown = orjson.dumps(await case.shown(by="Cleo")).decode()
        assert "ask <EMAIL_ADDRESS_" in shown
        assert all(value not in shown for value in (NEW, SECRET))
