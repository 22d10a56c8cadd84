"""What an intent that waits for people leaves behind: one trace of linked segments, metrics, and nothing of what people may not see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.testing import Routing, local_gateway
from tests.servers.jaeger_server import Jaeger, JaegerSpan
from tests.surfaces.people import POLICIES, QUEUES, ROUTES, People

ROOT = "POST /v1/chat/completions"
OWN, NEW = "jane.doe@example.com", "eve.new@example.com"
SCRIPT = f"rules: [{{when: {{contains: who}}, reply: 'write to {NEW} or back'}}]"
BOTH = {
    "intent.rego": POLICIES["intent.rego"].replace('"approve": {', '"review": {"mode": "approve", "queue": "default"}, "approve": {'),
    "answer.rego": POLICIES["answer.rego"].replace("count(input.approvals) == 0", 'count([one | some one in input.approvals; one.hook == "answer"]) == 0'),
}
SHOWN = {
    **POLICIES,
    "answer.rego": POLICIES["answer.rego"].replace(
        'default verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {}}}',
        'default verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"caller": ["EMAIL_ADDRESS"]}}}',
    ),
}


@asynccontextmanager
async def waiting(folder: Path, policies: dict[str, str], endpoint: str | None = None, script: str = "") -> AsyncIterator[People]:
    traces = f"traces: {{endpoint: '{endpoint}'}}, " if endpoint else ""
    routing = Routing(queues=QUEUES, routes=dict.fromkeys(ROUTES, "{target: simulated, retries: {max: 0}}"))
    async with local_gateway(folder, script, policies=policies, routing=routing, telemetry=f"{{{traces}logs: {{level: error}}}}") as local:
        yield People(local=local)


def segments(spans: list[JaegerSpan]) -> list[JaegerSpan]:
    """The roots, each but the first linked to the one before it; every other span hangs below one of them."""
    roots = {span.span_id: span for span in spans if span.name == ROOT}
    assert all(span.parent_id in roots and not span.links for span in spans if span.name != ROOT)
    assert all(root.parent_id is None for root in roots.values())
    ordered = sorted(roots.values(), key=lambda span: span.start_us)
    assert [root.links for root in ordered] == [(), *(((link_trace(root), before.span_id),) for before, root in pairwise(ordered))]
    return ordered


def link_trace(root: JaegerSpan) -> str:
    return root.links[0][0] if root.links else ""


async def open_task(people: People, intent: str, but: str) -> str:
    """The task that the intent waits for next."""
    for _ in range(100):
        for task in (await people.get("/v1/tasks")).json["data"]:
            if task["intent"] == intent and task["id"] != but:
                return str(task["id"])
    raise AssertionError("no other task was opened")


@pytest.mark.services
async def test_an_intent_that_waits_twice_is_one_trace_of_three_linked_segments(tmp_path: Path, jaeger: Jaeger) -> None:
    async with waiting(tmp_path, BOTH, jaeger.otlp_http) as people:
        first = await people.park("review", "hello")
        intent = (await people.get(f"/v1/tasks/{first}")).json["intent"]
        await people.move(first, "decide", {"action": "accept"})
        second = await open_task(people, intent, first)
        await people.move(second, "decide", {"action": "accept"})
        ended = await people.outcome(second)
        assert ended["state"] == "completed"
        trace_id = ended["answer"]["gateway"]["trace"]
    spans = jaeger.trace(trace_id, 20)
    roots = segments(spans)
    assert [root.tags["gateway.intent.state"] for root in roots] == ["parked", "parked", "completed"]
    assert {link_trace(root) for root in roots[1:]} == {trace_id}
    assert {root.tags["gateway.intent.id"] for root in roots} == {intent}
    assert [root.tags["gateway.task.id"] for root in roots] == [first, second, second]
    assert [root.tags["gateway.holds"] for root in roots] == [1, 2, 2]
    steps = [{span.name for span in spans if span.parent_id == root.span_id} for root in roots]
    assert "gateway.hold" in steps[0] & steps[1]
    assert "gateway.decide" in steps[0] & steps[1] & steps[2]
    assert [any(name.startswith("chat ") for name in names) for names in steps] == [False, True, False]


@pytest.mark.services
async def test_an_intent_that_a_person_refused_ends_in_a_linked_segment(tmp_path: Path, jaeger: Jaeger) -> None:
    async with waiting(tmp_path, POLICIES, jaeger.otlp_http) as people:
        reply = await people.local.chat({"model": "approve", "messages": [{"role": "user", "content": "hi"}]}, headers={"x-gateway-wait": "0"})
        await people.move(reply.headers["x-gateway-task"], "decide", {"action": "refuse"})
    parked, refused = segments(jaeger.trace(reply.headers["x-gateway-trace"], 8))
    assert (parked.tags["gateway.intent.state"], refused.tags["gateway.intent.state"]) == ("parked", "refused")
    assert "error" not in parked.tags
    assert refused.tags["error.type"] == "person.refused"


async def test_peoples_part_is_counted(tmp_path: Path) -> None:
    async with waiting(tmp_path, POLICIES) as people:
        accepted, refused, brief = await people.park("approve", "a"), await people.park("approve", "b"), await people.park("brief")
        await people.move(accepted, "decide", {"action": "accept"})
        await people.move(refused, "decide", {"action": "refuse"})
        for task in (accepted, brief):
            await people.outcome(task)
        shown = (await people.local.get("/metrics")).body.decode()
    for line in (
        'gateway_tasks_opened_total{mode="approve",queue="default"} 3.0',
        'gateway_tasks_ended_total{mode="approve",outcome="accept",queue="default"} 1.0',
        'gateway_tasks_ended_total{mode="approve",outcome="refuse",queue="default"} 1.0',
        'gateway_tasks_ended_total{mode="approve",outcome="expire",queue="default"} 1.0',
        'gateway_task_decision_seconds_count{mode="approve",queue="default"} 2.0',
        'gateway_intents_resumed_total{hook="intent"} 1.0',
        "gateway_callers_waiting 0.0",
        "gateway_intents_in_flight 0.0",
    ):
        assert line in shown


@pytest.mark.parametrize(("policies", "granted"), [(POLICIES, False), (SHOWN, True)], ids=["not granted", "granted"])
async def test_a_value_that_an_editor_never_saw_reaches_the_caller_if_policy_says_so(tmp_path: Path, policies: dict[str, str], granted: bool) -> None:
    async with waiting(tmp_path, policies, script=SCRIPT) as people:
        task = await people.park("review", f"who is it? {OWN} asks")
        shown = (await people.get(f"/v1/tasks/{task}")).json["context"]
        seen = shown["draft"]["choices"][0]["content"]
        assert NEW not in str(shown)
        assert OWN not in str(shown)
        own = shown["request"]["messages"][0]["content"].split()[3]
        await people.move(task, "decide", {"action": "edit", "content": f"Dear {own}: {seen}"})
        content = (await people.outcome(task))["answer"]["choices"][0]["message"]["content"]
    assert content.startswith(f"Dear {OWN}: write to ")
    assert (NEW in content) is granted
    assert content.endswith(" or back")


async def test_nothing_of_what_waits_stands_in_the_database_in_clear(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    async with waiting(tmp_path, SHOWN, script=SCRIPT) as people:
        task = await people.park("review", f"who is it? {OWN} asks with {secret}")
        parked = stored(tmp_path)
        await people.move(task, "decide", {"action": "edit", "content": f"ask {NEW}, not {OWN}", "comment": f"{NEW} knows"})
        ended = await people.outcome(task)
        assert ended["answer"]["choices"][0]["message"]["content"] == f"ask {NEW}, not {OWN}"
        kept = stored(tmp_path)
    for files in (parked, kept, stored(tmp_path)):
        assert task.encode() in files
        assert not any(value.encode() in files for value in (OWN, NEW, secret))
    assert not any(value in "".join(capfd.readouterr()) for value in (OWN, NEW, secret))


def stored(folder: Path) -> bytes:
    """Every byte that the gateway keeps, its write-ahead log included."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
