"""What reviewers see and can do over HTTP, and who is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import Subject
from gateway.errors import PayloadUnavailable
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline import tasks
from gateway.pipeline.services import Services
from tests.surfaces.people import People, people_at

EMAIL = "jane.doe@example.com"
CARD = "4111 1111 1111 1111"


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    async with people_at(tmp_path) as found:
        yield found


async def test_a_task_is_listed_shown_claimed_and_accepted_and_then_the_call_is_made(people: People) -> None:
    task = await people.park("approve", f"write to {EMAIL} about {CARD}")
    listed = (await people.get("/v1/tasks")).json
    assert [one["id"] for one in listed["data"]] == [task]
    assert (listed["object"], listed["cursor"]) == ("list", None)
    shown = (await people.get(f"/v1/tasks/{task}")).json
    assert (shown["state"], shown["mode"], shown["actions"]) == ("open", "approve", ["accept", "refuse"])
    assert (shown["requester"]["name"], shown["reasons"][0]["rule"]) == ("billing agent", "test.wanted")
    said = shown["context"]["request"]["messages"][0]["content"]
    assert EMAIL in said
    assert CARD not in said
    assert shown["context"]["draft"] is None
    assert shown["context_missing"] is None
    claimed = await people.move(task, "claim")
    assert (claimed["state"], claimed["claimed_by"]["name"]) == ("claimed", "Ada Example")
    await people.move(task, "decide", {"action": "accept", "comment": "fine", "version": claimed["version"]})
    ended = await people.outcome(task)
    assert ended["state"] == "completed"
    history = (await people.get(f"/v1/tasks/{task}")).json
    assert [(one["move"], one["by"]["name"]) for one in history["history"] if one["by"]["name"] == "Ada Example"] == [
        ("claim", "Ada Example"),
        ("decide", "Ada Example"),
    ]
    assert (history["state"], history["actions"]) == ("decided", [])


async def test_what_is_shown_goes_when_the_intent_has_ended(people: People) -> None:
    task = await people.park("approve")
    await people.move(task, "decide", {"action": "refuse"})
    assert (await people.outcome(task))["state"] == "refused"
    shown = (await people.get(f"/v1/tasks/{task}")).json
    assert (shown["context"], shown["context_missing"]) == (None, "what was shown of the intent is kept until the intent has ended")


async def test_a_draft_is_shown_and_a_persons_text_takes_its_place(people: People) -> None:
    task = await people.park("review", "what is it?")
    shown = (await people.get(f"/v1/tasks/{task}")).json
    assert (shown["hook"], shown["mode"], shown["actions"]) == ("answer", "review", ["accept", "edit", "refuse"])
    assert shown["context"]["draft"]["choices"][0]["content"] == "what is it?"
    await people.move(task, "decide", {"action": "edit", "content": "it is this"})
    ended = await people.outcome(task)
    assert (ended["state"], ended["answer"]["choices"][0]["message"]["content"]) == ("completed", "it is this")


async def test_a_hidden_value_that_is_left_in_a_text_reaches_the_caller_that_sent_it(people: People) -> None:
    task = await people.park("review", f"write to {EMAIL}")
    draft = (await people.get(f"/v1/tasks/{task}")).json["context"]["draft"]["choices"][0]["content"]
    assert EMAIL not in draft
    placeholder = draft.removeprefix("write to ")
    await people.move(task, "decide", {"action": "edit", "content": f"I wrote to {placeholder}"})
    assert (await people.outcome(task))["answer"]["choices"][0]["message"]["content"] == f"I wrote to {EMAIL}"


async def test_a_person_answers_in_the_models_place(people: People) -> None:
    task = await people.park("answer", "who are you?")
    assert (await people.get(f"/v1/tasks/{task}")).json["actions"] == ["answer", "refuse"]
    await people.move(task, "decide", {"action": "answer", "content": ["a person"]})
    assert (await people.outcome(task))["answer"]["choices"][0]["message"]["content"] == "a person"


async def test_the_payloads_key_is_gone_and_the_task_says_so(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    task = await people.park("approve")

    def missing(*_: object) -> bytes:
        raise PayloadUnavailable("the key is not configured")

    monkeypatch.setattr("gateway.capabilities.payloads.PayloadKeys.open", missing)
    shown = (await people.get(f"/v1/tasks/{task}")).json
    assert (shown["context"], shown["context_missing"]) == (None, "the key is not configured")


async def test_of_two_who_claim_at_once_one_does_and_the_other_is_told_who(people: People) -> None:
    task = await people.park("approve")
    keys = [people.key("Ada Example"), people.key("Bob Example")]
    replies = await asyncio.gather(*(people.post(f"/v1/tasks/{task}/claim", key=key) for key in keys))
    assert sorted(reply.status for reply in replies) == [200, 409]
    lost = next(reply for reply in replies if reply.status == 409)
    holder = next(reply for reply in replies if reply.status == 200).json["claimed_by"]["name"]
    assert holder in lost.json["error"]["message"]
    assert (lost.headers["x-should-retry"], lost.json["error"]["code"]) == ("false", "conflict")
    refused = await people.post(f"/v1/tasks/{task}/decide", {"action": "accept"}, keys[0] if holder == "Bob Example" else keys[1])
    assert (refused.status, holder in refused.json["error"]["message"]) == (409, True)


async def test_a_claim_is_extended_released_and_taken_by_another(people: People) -> None:
    task, bob = await people.park("approve"), people.key("Bob Example")
    first = await people.move(task, "claim")
    assert (await people.move(task, "claim"))["claimed_until"] > first["claimed_until"]
    held = await people.post(f"/v1/tasks/{task}/release", key=bob)
    assert (held.status, "Ada Example" in held.json["error"]["message"]) == (409, True)
    released = await people.move(task, "release")
    assert (released["state"], released["claimed_by"]) == ("open", None)
    again = await people.post(f"/v1/tasks/{task}/release")
    assert (again.status, again.json["error"]["message"]) == (409, "nobody holds this task: there is nothing to release")
    assert (await people.move(task, "claim", key=bob))["claimed_by"]["name"] == "Bob Example"


async def test_a_task_that_has_ended_is_not_claimed_any_more(people: People) -> None:
    task = await people.park("approve")
    await people.move(task, "decide", {"action": "refuse"})
    for move in ("claim", "decide", "withdraw"):
        late = await people.post(f"/v1/tasks/{task}/{move}", {"action": "accept"})
        assert late.status == 409, (move, late.body)


async def test_what_comes_too_late_does_not_count_though_nobody_has_noticed_yet(tmp_path: Path) -> None:
    async with people_at(tmp_path, sweep_s=60) as people:
        task = await people.park("approve")
        with people.local.gateway.database.write() as connection:
            connection.exec_driver_sql("UPDATE tasks SET expires_ns = 1 WHERE id = ?", (task,))
        for move in ("claim", "decide"):
            late = await people.post(f"/v1/tasks/{task}/{move}", {"action": "accept"})
            assert (late.status, "time for this task is over" in late.json["error"]["message"]) == (409, True)
        assert (await people.get(f"/v1/tasks/{task}")).json["version"] == 1


async def test_a_claim_never_outlasts_its_task(people: People) -> None:
    task = await people.park("brief")
    claimed = await people.move(task, "claim")
    assert claimed["claimed_until"] <= claimed["expires_at"]
    assert (await people.outcome(task))["state"] == "expired"
    late = await people.post(f"/v1/tasks/{task}/claim")
    assert (late.status, "expired" in late.json["error"]["message"]) == (409, True)


@pytest.mark.parametrize("roles", [(), ("operator",), ("auditor",), ("Reviewer",)])
async def test_whoever_is_no_reviewer_is_refused_everywhere(people: People, roles: tuple[str, ...]) -> None:
    task, key = await people.park("approve"), people.key("No Reviewer", roles=roles)
    replies = [await people.get("/v1/tasks", key), await people.get(f"/v1/tasks/{task}", key), await people.get("/v1/tasks/tsk_none", key)]
    replies += [await people.post(f"/v1/tasks/{task}/{move}", {"action": "accept"}, key) for move in ("claim", "release", "decide", "withdraw")]
    assert {(reply.status, reply.json["error"]["code"]) for reply in replies} == {(403, "forbidden")}
    assert (await people.local.get("/v1/tasks")).status == 401


@pytest.mark.parametrize("stranger", ["other tenant", "other team"])
async def test_what_a_reviewer_may_not_see_does_not_exist(people: People, stranger: str) -> None:
    task = await people.park("payments")
    key = people.key("Mallory", tenant="globex", teams=("payments",)) if stranger == "other tenant" else people.key("Mallory")
    assert (await people.get("/v1/tasks", key)).json["data"] == []
    missing = [await people.get("/v1/tasks/tsk_none", key), await people.get(f"/v1/tasks/{task}", key)]
    missing += [await people.post(f"/v1/tasks/{task}/{move}", {"action": "accept"}, key) for move in ("claim", "release", "decide", "withdraw")]
    assert {(reply.status, reply.body) for reply in missing} == {(404, missing[0].body)}
    colleague = people.key("Bob Example", teams=("payments", "support"))
    assert (await people.get(f"/v1/tasks/{task}", colleague)).status == 200
    assert (await people.move(task, "claim", key=colleague))["queue"] == "payments"


async def test_a_queue_that_is_not_there_for_a_key_is_not_found(people: People) -> None:
    await people.park("payments")
    unknown, foreign = await people.get("/v1/tasks?queue=nowhere"), await people.get("/v1/tasks?queue=default,payments")
    assert (unknown.status, unknown.body) == (404, foreign.body)
    assert unknown.json["error"]["message"].endswith("those that it sees: default")


async def test_what_is_no_task_is_not_found(people: People) -> None:
    for task in ("\x00", "é", "x" * 300, " ", "tsk_none", "tsk_😀"):
        replies = [await people.get(f"/v1/tasks/{task}"), await people.post(f"/v1/tasks/{task}/claim"), await people.post(f"/v1/tasks/{task}/decide", {})]
        assert {reply.status for reply in replies} == {404}, task


async def test_lists_are_filtered_and_paged(people: People) -> None:
    parked = [await people.park("approve", str(number)) for number in range(5)]
    await people.move(parked[0], "claim")
    await people.move(parked[1], "decide", {"action": "refuse"})
    found = list[str]()
    path: str | None = "/v1/tasks?limit=2"
    while path is not None:
        page = (await people.get(path)).json
        found += [one["id"] for one in page["data"]]
        path = page["cursor"] and f"/v1/tasks?limit=2&cursor={page['cursor']}"
    assert found == [parked[0], *parked[2:]]

    async def ids(query: str) -> list[str]:
        return [one["id"] for one in (await people.get(f"/v1/tasks?{query}")).json["data"]]

    assert await ids("state=claimed") == [parked[0]]
    assert await ids("state=open&queue=default") == parked[2:]
    assert await ids("state=decided,cancelled") == [parked[1]]
    assert await ids("due_before=2026-01-01T00:00:00Z") == []
    assert len(await ids("due_before=9999-01-01T00:00:00.5%2B14:00")) == 4


async def test_a_claim_whose_time_is_over_holds_nobody_off(people: People) -> None:
    task, bob = await people.park("payments"), people.key("Bob Example", teams=("payments",))
    ada = people.key(teams=("payments",))
    await people.move(task, "claim", key=ada)
    store, services = people.local.gateway.services.tasks, people.local.gateway.services
    row = await asyncio.to_thread(store.get, "acme", task)
    assert row is not None
    with people.local.gateway.database.write() as connection:
        connection.exec_driver_sql("UPDATE tasks SET claimed_until_ns = 1 WHERE id = ?", (task,))
    for query in ("state=open", "", "queue=payments"):
        assert [(one["id"], one["state"]) for one in (await people.get(f"/v1/tasks?{query}", bob)).json["data"]] == [(task, "open")]
    assert (await people.get("/v1/tasks?state=claimed", bob)).json["data"] == []
    assert (await people.move(task, "claim", key=bob))["claimed_by"]["name"] == "Bob Example"
    assert services.queues["payments"].claim_s == 5


async def test_four_eyes_are_two_persons_and_an_approval_can_be_withdrawn(people: People) -> None:
    task, bob = await people.park("four"), people.key("Bob Example")
    first = await people.move(task, "decide", {"action": "accept"})
    assert (first["state"], [one["by"]["name"] for one in first["approvals"]]) == ("open", ["Ada Example"])
    assert (await people.get("/v1/tasks")).json["data"][0]["approvals"] == first["approvals"]
    assert (await people.post(f"/v1/tasks/{task}/decide", {"action": "accept"})).status == 409
    assert (await people.post(f"/v1/tasks/{task}/withdraw", key=bob)).status == 404
    assert (await people.move(task, "withdraw"))["approvals"] == []
    await people.move(task, "decide", {"action": "accept"}, bob)
    await people.move(task, "decide", {"action": "accept"})
    assert (await people.outcome(task))["state"] == "completed"


async def test_whoever_asked_must_neither_claim_nor_decide_where_policy_says_so(people: People) -> None:
    both = people.key("Both Example", roles=("reviewer",))
    task = await people.park("distinct", key=both)
    for move in ("claim", "decide"):
        reply = await people.post(f"/v1/tasks/{task}/{move}", {"action": "accept"}, both)
        assert (reply.status, reply.json["error"]["code"]) == (403, "not_distinct")
    other_key = people.key("both example", teams=("elsewhere",))
    assert (await people.post(f"/v1/tasks/{task}/claim", key=other_key)).status == 403
    await people.move(task, "decide", {"action": "accept"})


NO_DECISIONS: list[tuple[Any, str | None]] = [
    ({}, "action"),
    ({"action": "approve"}, "action"),
    ({"action": 1}, "action"),
    ({"action": ["accept"]}, "action"),
    ({"action": "edit", "content": "x"}, "action"),
    ({"action": "accept", "content": "x"}, "content"),
    ({"action": "answer"}, "content"),
    ({"action": "answer", "content": ""}, "content"),
    ({"action": "answer", "content": ["x", 1]}, "content"),
    ({"action": "accept", "comment": 5}, "comment"),
    ({"action": "accept", "comment": "x" * 5_000}, "comment"),
    ({"action": "accept", "version": True}, "version"),
    ({"action": "accept", "version": 0}, "version"),
    ({"action": "accept", "by": "me"}, "by"),
    (b"[]", None),
    (b"{", None),
]


async def test_a_decision_that_is_none_is_refused_and_nothing_happens(people: People) -> None:
    task = await people.park("approve")
    for body, param in NO_DECISIONS:
        reply = await people.post(f"/v1/tasks/{task}/decide", body)
        assert (reply.status, reply.json["error"]["param"]) == (400, param), body
    assert (await people.get(f"/v1/tasks/{task}")).json["version"] == 1


async def test_a_decision_about_what_was_not_seen_does_not_count(people: People) -> None:
    task = await people.park("approve")
    await people.move(task, "claim")
    stale = await people.post(f"/v1/tasks/{task}/decide", {"action": "accept", "version": 1})
    assert (stale.status, stale.json["error"]["code"]) == (409, "task_changed")
    large = await people.post(f"/v1/tasks/{task}/decide", {"action": "accept"}, headers={"content-type": "text/plain"})
    assert large.status == 415


async def test_a_database_that_cannot_be_read_is_said(people: People, tmp_path: Path) -> None:
    task = await people.park("approve")
    people.key()
    (tmp_path / "gateway.db").rename(tmp_path / "elsewhere.db")
    replies = [await people.get("/v1/tasks"), await people.get(f"/v1/tasks/{task}"), await people.post(f"/v1/tasks/{task}/claim")]
    (tmp_path / "elsewhere.db").rename(tmp_path / "gateway.db")
    assert {(reply.status, reply.json["error"]["code"]) for reply in replies} == {(503, "record_unavailable")}


async def test_a_task_that_leaves_the_reviewers_sight_meanwhile_is_not_moved(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    task = await people.park("approve")
    database, find, seen = people.local.gateway.database, tasks.find, list[str]()

    async def then_moved(services: Services, reviewer: Subject, task_id: str) -> TaskRow:
        row = await find(services, reviewer, task_id)
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE tasks SET queue = 'payments' WHERE id = ?", (task,))
        seen.append(row.queue)
        return row

    monkeypatch.setattr("gateway.pipeline.tasks.find", then_moved)
    assert (await people.post(f"/v1/tasks/{task}/claim")).status == 404
    row = await asyncio.to_thread(people.local.gateway.services.tasks.get, "acme", task)
    assert row is not None
    assert (seen, row.queue, row.state, row.claimed_by) == (["default"], "payments", "open", None)


async def test_of_a_queue_that_is_gone_nothing_is_listed_and_pages_go_on_behind_it(people: People) -> None:
    parked = [await people.park("approve", f"call {number}") for number in range(4)]
    with people.local.gateway.database.write() as connection:
        for task in parked[:2]:
            connection.exec_driver_sql("UPDATE tasks SET queue = 'gone' WHERE id = ?", (task,))
    for key in (people.key(), people.key(teams=("payments",))):  # who sees some of the queues, and who sees all
        pages, path = list[list[str]](), "/v1/tasks?limit=1"
        while path:
            page = (await people.get(path, key)).json
            pages.append([one["id"] for one in page["data"]])
            path = page["cursor"] and f"/v1/tasks?limit=1&cursor={page['cursor']}"
        assert [page for page in pages if page] == [parked[2:3], parked[3:]]
