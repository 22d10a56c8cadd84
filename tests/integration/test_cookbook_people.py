"""The recipes that leave something to people, with people: what they decide is what their page says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.decision_log.events import events_of
from gateway.capabilities.policy.backtest.enforcing import Means
from gateway.capabilities.policy.backtest.report import as_json
from gateway.capabilities.policy.backtest.running import Task, backtest
from gateway.capabilities.policy.backtest.source import DAY_NS, Window
from gateway.capabilities.records.rows import parse_body
from gateway.domain import Json
from gateway.infrastructure.database_ledger import Ledger
from gateway.testing import Reply
from tests.integration.test_cookbook import COOKBOOK, PAY, PAYMENTS
from tests.pipeline.desk import Case, Desk, desk, until

LARGE = {"model": "assistant-large"}
TOOLS = {"tools": [PAY]}
DOUBT = "rules: [{reply: 'perhaps', logprobs: -3}]"
ASSESSED = "{target: simulated, confidence: {logprobs: true}}"


def files(name: str, data: Mapping[str, str] | None = None) -> dict[str, str]:
    found = {path.name: path.read_text(encoding="utf-8") for path in (COOKBOOK / name).iterdir()}
    for old, new in (data or {}).items():
        assert old in found["data.yaml"]
        found["data.yaml"] = found["data.yaml"].replace(old, new)
    return found


def recipe(folder: Path, name: str, script: str = "", *, data: Mapping[str, str] | None = None, **made: Any) -> AbstractAsyncContextManager[Desk]:
    return desk(folder, files(name, data), script, **made)


async def decide(case: Case, who: str, *roles: str, action: str = "accept", **more: Any) -> Reply:
    """A reviewer with more roles than that decides."""
    key = case.desk.key(who, "reviewer", *roles)
    body = orjson.dumps({"action": action, **more})
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    return await case.desk.local.request("POST", f"/v1/tasks/{case.task.id}/decide", headers, body)


async def test_a_payment_goes_out_when_a_treasurer_says_so_and_not_when_somebody_else_does(tmp_path: Path) -> None:
    async with recipe(tmp_path, "12-payments", PAYMENTS, queues="{treasury: {}}") as people:
        paid = await people.park("big", **TOOLS)
        assert (await decide(paid, "Ada", "treasurer")).status == 200
        call = (await paid.answer())["choices"][0]["message"]["tool_calls"][0]
        assert orjson.loads(call["function"]["arguments"]) == {"amount": 1500}
        refused = await people.park("big", key=people.local.key(name="other"), **TOOLS)
        assert (await decide(refused, "Bob")).status == 200
        assert await refused.refusal() == ("refused", 403, ["payments.person"])


async def test_four_eyes_are_those_of_two_others(tmp_path: Path) -> None:
    async with recipe(tmp_path, "13-four-eyes", queues="{release: {}}") as people:
        asker = people.key("Carol", "reviewer")
        case = await people.park("hello", key=asker, **LARGE)
        assert (await decide(case, "Carol")).status == 403
        assert (await decide(case, "Ada")).status == 200
        assert people.asked() == []
        assert (await decide(case, "Bob")).status == 200
        assert await case.text()
        assert len(people.asked()) == 1


@pytest.mark.parametrize(("role", "goes"), [("treasurer", True), ("director", True), ("lead", False)])
async def test_who_may_approve_as_much_lets_it_go(tmp_path: Path, role: str, goes: bool) -> None:
    async with recipe(tmp_path, "14-limits-by-role", PAYMENTS, queues="{leads: {}, treasury: {}, directors: {}}") as people:
        case = await people.park("big", **TOOLS)
        assert case.task.queue == "treasury"
        assert (await decide(case, "Ada", role)).status == 200
        if goes:
            assert (await case.answer())["choices"][0]["message"]["tool_calls"]
        else:
            assert await case.refusal() == ("refused", 403, ["policy.approval_ignored", "payments.role"])


@pytest.mark.parametrize(("decision", "text"), [({"action": "accept"}, "perhaps"), ({"action": "edit", "content": "certainly"}, "certainly")])
async def test_a_doubtful_answer_leaves_as_a_reviewer_wants_it(tmp_path: Path, decision: Json, text: str) -> None:
    async with recipe(tmp_path, "15-doubtful-answers", DOUBT, queues="{answers: {}}", assistant=ASSESSED) as people:
        case = await people.park("is it so?")
        assert (await decide(case, "Ada", **decision)).status == 200
        assert await case.text() == text


async def test_a_person_answers_and_no_model_is_asked(tmp_path: Path) -> None:
    async with recipe(tmp_path, "16-answered-by-people", queues="{press: {}}") as people:
        case = await people.park("any news?", **LARGE)
        assert (await decide(case, "Ada", action="answer", content="none today")).status == 200
        assert await case.text() == "none today"
        assert people.asked() == []


async def test_what_nobody_decides_in_time_goes_on_or_goes_to_others(tmp_path: Path) -> None:
    async with recipe(tmp_path, "17-in-time", data={"900": "1"}, queues="{desk: {}, managers: {}}") as people:
        little = await people.park("hello")
        much = await people.park("hello", **LARGE)
        assert await little.text()
        closed = little.record().entries[-1].facts
        labels = [decision["obligations"]["labels"] for decision in closed["decisions"] if decision["hook"] == "intent"]
        assert labels == [{"approved_by": "gateway.expiry"}]
        await until(lambda: much.task.queue == "managers")
        assert (await decide(much, "Ada")).status == 200
        assert await much.text()


async def test_what_people_decided_is_replayed_without_a_difference_and_stands_in_the_decision_log(tmp_path: Path) -> None:
    async with recipe(tmp_path, "12-payments", PAYMENTS, queues="{treasury: {}}") as people:
        case = await people.park("big", **TOOLS)
        assert (await decide(case, "Ada", "treasurer")).status == 200
        await case.answer()
        waits = await people.park("odd", **TOOLS)
        assert (await people.local.ask("small")).status == 200
        database = people.local.gateway.database
        window = Window(since_ns=time.time_ns() - DAY_NS, until_ns=time.time_ns() + DAY_NS)
        task = Task(candidate=tmp_path / "policies", tenants=("acme",), window=window, means=Means(queues=frozenset({"treasury"})), workers=1)
        report = as_json(await asyncio.to_thread(backtest, task, database))
        events = {one.intent: [event for row in Ledger(database).of_intent("acme", one.intent) for event in events_of(row, _facts)] for one in (case, waits)}
    assert (report["decisions"], report["replayed"], report["outcomes"]["unchanged"]["count"]) == (8, 8, 8), report
    assert (report["human_load"]["escalations_before"], report["human_load"]["escalations_after"]) == (2, 2)
    told = {intent: [(event["path"].split("/")[1], event["result"]["outcome"]) for event in found] for intent, found in events.items()}
    assert told[waits.intent] == [("intent", "allow"), ("answer", "escalate")]
    assert told[case.intent] == [("intent", "allow"), ("answer", "escalate"), ("intent", "allow"), ("answer", "allow")]
    assert len({event["decision_id"] for found in events.values() for event in found}) == 6
    assert [event["result"]["obligations"].get("approval", {}).get("queue") for event in events[waits.intent]] == [None, "treasury"]


def _facts(row: Any) -> Json:
    return dict((parse_body(row.body) or {"facts": {}})["facts"])
