"""Whom policy asks, what it must not ask, and what approvals are good for when it is asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.payloads import PayloadKeys
from gateway.testing import ALLOW_ALL
from tests.pipeline.desk import TWO_QUEUES, always, at_answer, at_intent, desk, escalates

DENIES = ALLOW_ALL["intent.rego"].replace('"allow"', '"deny"').replace('"reasons": []', '"reasons": [{"rule": "no.more", "message": "not any more"}]')


@pytest.mark.parametrize(
    ("hook", "terms", "mode"),
    [
        ("intent", {}, "approve"),
        ("intent", {"mode": "approve"}, "approve"),
        ("intent", {"mode": "answer"}, "answer"),
        ("answer", {}, "review"),
        ("answer", {"mode": "review"}, "review"),
    ],
)
async def test_each_hook_holds_in_the_modes_that_fit_it(tmp_path: Path, hook: str, terms: dict[str, Any], mode: str) -> None:
    policies = {**ALLOW_ALL, f"{hook}.rego": escalates(hook, terms=terms)}
    async with desk(tmp_path, policies) as people:
        case = await people.park()
        assert (case.task.mode, case.task.hook, case.task.queue) == (mode, hook, "default")
        assert len(people.asked()) == (hook == "answer")
        await case.accept(*(["answer"] if mode == "answer" else []), **({"content": "by hand"} if mode == "answer" else {}))
        assert await case.text() == ("by hand" if mode == "answer" else "please")
        assert len(people.asked()) == (mode != "answer")


@pytest.mark.parametrize(
    ("hook", "mode"),
    [("intent", "review"), ("answer", "approve"), ("answer", "answer")],
    ids=["an intent reviewed", "an answer approved", "an answer answered"],
)
async def test_a_mode_that_does_not_fit_the_hook_is_refused(tmp_path: Path, hook: str, mode: str) -> None:
    async with desk(tmp_path, {**ALLOW_ALL, f"{hook}.rego": escalates(hook, terms={"mode": mode})}) as people:
        reply = await people.ask()
        assert (reply.status, reply.json["gateway"]["reasons"][0]["rule"]) == (403, "policy.unsupported")
        assert f"mode {mode} at the {hook} hook" in reply.json["error"]["message"]
        assert people.rows() == {}


@pytest.mark.parametrize(
    ("queues", "terms", "queue"),
    [
        ("{only: {}}", {}, "only"),
        ("{other: {}, default: {}}", {}, "default"),
        ("{other: {}, default: {}}", {"queue": "other"}, "other"),
    ],
)
async def test_the_queue_is_the_named_the_only_or_the_default_one(tmp_path: Path, queues: str, terms: dict[str, Any], queue: str) -> None:
    async with desk(tmp_path, at_intent(terms=terms), queues=queues) as people:
        assert (await people.park()).task.queue == queue


@pytest.mark.parametrize(
    ("queues", "terms", "words"),
    [
        ("{}", {}, "the config has no queue"),
        ("{}", {"queue": "gone"}, "the config has no queue"),
        ("{one: {}, two: {}}", {}, "names no queue; the config has several"),
        ("{one: {}, two: {}}", {"queue": "gone"}, "a queue to decide that the config does not have"),
        ("{default: {}}", {"queue": "gone"}, "a queue to decide that the config does not have"),
    ],
)
@pytest.mark.parametrize("hook", ["intent", "answer"])
async def test_where_there_is_no_queue_it_is_refused_and_why_is_said(tmp_path: Path, hook: str, queues: str, terms: dict[str, Any], words: str) -> None:
    policies = {**ALLOW_ALL, f"{hook}.rego": escalates(hook, terms=terms)}
    async with desk(tmp_path, policies, queues=queues) as people:
        reply = await people.ask()
        assert reply.status == 403
        first, second = reply.json["gateway"]["reasons"]
        assert (first["rule"], second["rule"]) == ("no queue", "ask.people")
        assert words in first["message"]
        assert people.rows() == {}


async def test_where_nothing_can_be_kept_for_the_tenant_it_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        object.__setattr__(people.local.gateway.services, "payload_keys", PayloadKeys({}))
        reply = await people.ask()
        assert reply.status == 403
        assert "tenants.NAME.payload_key is not set" in reply.json["error"]["message"]


async def test_a_task_cannot_move_to_a_queue_that_is_not_there(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(terms={"on_expiry": "queue:gone"})) as people:
        reply = await people.ask()
        assert (reply.status, reply.json["gateway"]["reasons"][0]["rule"]) == (403, "policy.unsupported")


@pytest.mark.parametrize(("hook", "said"), [("intent", "please"), ("answer", "please")])
async def test_a_policy_that_does_not_look_at_approvals_is_told_so(tmp_path: Path, hook: str, said: str) -> None:
    async with desk(tmp_path, always(hook)) as people:
        case = await people.park(said)
        await case.accept()
        assert await case.refusal() == ("refused", 403, ["policy.approval_ignored", "ask.people"])
        closed = case.record().first("closed")
        assert closed is not None
        assert (closed.facts["reason"], closed.facts["state"]) == ("policy.approval_ignored", "refused")
        assert [one["name"] for one in closed.facts["approvals"]] == ["Bob"]


async def test_what_is_held_for_ever_new_reasons_comes_to_an_end(tmp_path: Path) -> None:
    counting = escalates("intent", enough=1_000).replace('"rule":"ask.people"', '"rule": sprintf("step.%d", [count(given)])')
    async with desk(tmp_path, {**ALLOW_ALL, "intent.rego": counting}) as people:
        case = await people.park()
        for held in range(1, 11):
            await case.held(held)
            await case.accept()
        state, status, rules = await case.refusal()
        assert (state, status, rules) == ("refused", 403, ["policy.held_too_often", "step.10"])
        assert case.kinds().count("parked") == 10
        assert case.loaded().row.holds == 10


async def test_with_another_policy_the_same_hold_still_counts(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        await people.policy({"intent.rego": escalates("intent", when="input.request.route != `another`")})
        await case.accept()
        assert await case.text() == "please"
        closed = case.record().first("closed")
        assert closed is not None
        assert [one["action"] for one in closed.facts["approvals"]] == ["accept"]
        assert [one["outcome"] for one in closed.facts["decisions"]] == ["escalate", "allow", "allow"]


async def test_what_another_policy_holds_for_other_reasons_is_asked_again(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent(), queues=TWO_QUEUES) as people:
        case = await people.park()
        await people.policy({"intent.rego": escalates("intent", rule="ask.others", terms={"queue": "second"})})
        await case.accept()
        again = await case.held()
        assert (again.queue, again.id != case.first_task) == ("second", True)
        assert people.asked() == []
        await case.accept()
        assert await case.text() == "please"


@pytest.mark.parametrize(("files", "state"), [({"intent.rego": DENIES}, "refused"), ({"intent.rego": ALLOW_ALL["intent.rego"] + "\n# as is\n"}, "completed")])
async def test_another_policy_that_denies_or_allows_has_the_last_word(tmp_path: Path, files: dict[str, str], state: str) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        await people.policy(files)
        await case.accept()
        outcome = await case.outcome()
        assert outcome.state == state
        assert len(people.asked()) == (state == "completed")


async def test_a_draft_that_was_approved_is_asked_about_again_where_the_answer_policy_has_other_reasons_now(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer()) as people:
        case = await people.park()
        await people.policy({"answer.rego": escalates("answer", rule="tone")})
        await case.accept()
        await case.held()
        await case.accept()
        assert await case.text() == "please"
        assert len(people.asked()) == 1


async def test_both_hooks_can_hold_one_intent_and_each_approval_is_for_its_own(tmp_path: Path) -> None:
    async with desk(tmp_path, {"intent.rego": escalates("intent"), "answer.rego": escalates("answer")}) as people:
        case = await people.park()
        await case.accept()
        review = await case.held()
        assert (review.hook, review.mode, len(people.asked())) == ("answer", "review", 1)
        await case.accept(by="Cleo")
        body = await case.answer()
        assert body["choices"][0]["message"]["content"] == "please"
        assert len(people.asked()) == 1
        assert case.kinds() == ["opened", "parked", "decided", "resumed", "parked", "decided", "resumed", "closed"]
        closed = case.record().first("closed")
        assert closed is not None
        assert [(one["name"], one["mode"]) for one in closed.facts["approvals"]] == [("Bob", "approve"), ("Cleo", "review")]
