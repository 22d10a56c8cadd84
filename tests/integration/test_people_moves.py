"""Every move through the API, legal or not, in every state and by everybody; and moves that race in two gateways over one database: one wins, and all agree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import Secret
from tests.integration.people_stage import Hall, hall, until

MODES = ("approve", "answer", "review", "four")
STATES = ("open", "claimed", "decided", "refused", "expired", "cancelled")
PEOPLE = {"claimer": ("Ada", "reviewer"), "another": ("Bob", "reviewer"), "no reviewer": ("Eve", "operator"), "caller": ("billing agent",)}
MOVES: dict[str, tuple[str, Any]] = {
    "claim": ("claim", None),
    "release": ("release", None),
    "withdraw": ("withdraw", None),
    "accept": ("decide", {"action": "accept"}),
    "refuse": ("decide", {"action": "refuse"}),
    "edit": ("decide", {"action": "edit", "content": "by hand"}),
    "answer": ("decide", {"action": "answer", "content": "by hand"}),
    "nonsense": ("decide", {"action": "delete"}),
}
ACTIONS = {"approve": {"accept", "refuse"}, "four": {"accept", "refuse"}, "review": {"accept", "edit", "refuse"}, "answer": {"answer", "refuse"}}
"""What can be decided, by mode; nobody has answered yet where mode ``answer`` could accept."""


def is_legal(mode: str, state: str, move: str, person: str) -> bool:
    if person not in {"claimer", "another"} or state not in {"open", "claimed"}:
        return False
    if move == "release":
        return state == "claimed" and person == "claimer"
    mine = state == "open" or person == "claimer"
    return mine and (move == "claim" or move in ACTIONS[mode])


async def task_in(people: Hall, mode: str, state: str, words: str) -> str:
    intent, task = await people.park({"expired": "brief"}.get(state, mode) if mode == "approve" else mode, words)
    if state == "claimed":
        assert (await people.call("POST", f"/v1/tasks/{task}/claim")).status == 200
    elif state == "decided":
        await people.accepted(task, "answer" if mode == "answer" else "accept", **({"content": "x"} if mode == "answer" else {}))
        if mode == "four":
            await people.accepted(task, key=people.reviewer("Carol"))
        await people.outcome(intent)
    elif state == "refused":
        await people.accepted(task, "refuse")
    elif state == "cancelled":
        assert (await people.call("DELETE", f"/v1/intents/{intent}", key=people.key())).status == 200
    elif state == "expired":
        if mode != "approve":
            people.write("UPDATE tasks SET expires_ns = 1 WHERE id = :id", id=task)
        await people.outcome(intent)
    return task


def told(people: Hall, task: str) -> list[Any]:
    row = people.query("SELECT * FROM tasks WHERE id = :id", id=task)[0]
    intent = people.query("SELECT state, version, ready_ns FROM intents WHERE id = :id", id=row["intent_id"])[0]
    return [
        row,
        intent,
        people.query("SELECT * FROM task_moves WHERE task_id = :id", id=task),
        people.query("SELECT id FROM approvals WHERE task_id = :id", id=task),
    ]


@pytest.mark.parametrize("mode", MODES)
async def test_a_task_takes_the_moves_that_its_state_and_mode_allow_from_whom_they_allow_them_and_no_other(tmp_path: Path, mode: str) -> None:
    async with hall(tmp_path) as people:
        legal = 0
        for state in STATES:
            task = await task_in(people, mode, state, state)
            for move, (path, body) in MOVES.items():
                for person, words in PEOPLE.items():
                    key = people.key(*words)
                    if is_legal(mode, state, move, person):
                        legal += 1
                        fresh = await task_in(people, mode, state, f"{state} {move} {person}")
                        reply = await people.call("POST", f"/v1/tasks/{fresh}/{path}", body, key=key)
                        assert reply.status == 200, (state, move, person, reply.body)
                        assert reply.json["state"] in {"claim": {"claimed"}, "release": {"open"}, "accept": {"decided", "open"}}.get(move, {"decided"})
                        continue
                    before = told(people, task)
                    reply = await people.call("POST", f"/v1/tasks/{task}/{path}", body, key=key)
                    expected = {400, 404, 409} if person in {"claimer", "another"} else {403}
                    assert reply.status in expected, (state, move, person, reply.body)
                    assert told(people, task) == before, (state, move, person)
        assert legal > 6
        await until(lambda: not len(people.one.gateway.services.background))
        await people.verified()


async def intent_in(people: Hall, state: str) -> str:
    if state in {"completed", "failed", "running"}:
        _, task = await people.park("approve", f"please {state}")
        intent = people.query("SELECT intent_id FROM tasks WHERE id = :id", id=task)[0]["intent_id"]
        await people.accepted(task)
        await (until(lambda: people.state(intent) == "running") if state == "running" else people.outcome(intent))
        return str(intent)
    if state == "indeterminate":
        intent = await intent_in(people, "completed")
        people.write("UPDATE intents SET state = 'indeterminate' WHERE id = :id", id=intent)
        return intent
    mode = {"refused": "refused", "expired": "expired", "cancelled": "cancelled"}.get(state, "open")
    task = await task_in(people, "approve", mode, f"please {state}")
    return str(people.query("SELECT intent_id FROM tasks WHERE id = :id", id=task)[0]["intent_id"])


STATUSES = {"parked": 0, "running": 0, "completed": 0, "refused": 403, "failed": 500, "cancelled": 409, "expired": 403, "indeterminate": 500}
SCRIPT = "rules:\n  - {when: {contains: please failed}, fault: {status: 500}}\n  - {when: {contains: please running}, fault: {slow: header, hang_s: 1.5}}\n"


@pytest.mark.parametrize("state", STATUSES)
async def test_an_intent_is_shown_in_every_state_and_called_off_while_it_waits(tmp_path: Path, state: str) -> None:
    async with hall(tmp_path, script=SCRIPT) as people:
        intent = await intent_in(people, state)
        shown = await people.intent(intent)
        assert shown["state"] == state
        assert (shown["answer"] is not None, shown["error"] is not None) == (state == "completed", STATUSES[state] > 0)
        for key in (people.reviewer(), people.key("Otto", "operator"), people.key("another agent"), people.key(tenant="globex")):
            reply = await people.call("DELETE", f"/v1/intents/{intent}", key=key)
            assert reply.status in {404, 409}, (state, reply.body)
        assert people.state(intent) == state
        reply = await people.call("DELETE", f"/v1/intents/{intent}", key=people.key())
        assert reply.status == (200 if state == "parked" else 409), reply.body
        assert (await people.call("DELETE", f"/v1/intents/{intent}", key=people.key())).status == 409
        if state == "parked":
            assert people.state(intent) == "cancelled"


Act = Callable[[Hall, str, str], Awaitable[int]]


def deciding(action: str, name: str, at: int) -> Act:
    async def act(people: Hall, intent: str, task: str) -> int:
        return (await people.decide(task, action, key=people.reviewer(name), at=at)).status

    return act


def claiming(name: str, at: int) -> Act:
    async def act(people: Hall, intent: str, task: str) -> int:
        return (await people.call("POST", f"/v1/tasks/{task}/claim", key=people.reviewer(name), at=at)).status

    return act


def cancelling(at: int) -> Act:
    async def act(people: Hall, intent: str, task: str) -> int:
        return (await people.call("DELETE", f"/v1/intents/{intent}", key=people.key(), at=at)).status

    return act


ACTS = {
    "accept": deciding("accept", "Ada", 0),
    "accept elsewhere": deciding("accept", "Bob", 1),
    "refuse": deciding("refuse", "Carol", 1),
    "cancel": cancelling(0),
    "cancel elsewhere": cancelling(1),
    "claim": claiming("Dan", 0),
}
ENDS = {"accept": "completed", "accept elsewhere": "completed", "refuse": "refused", "cancel": "cancelled", "cancel elsewhere": "cancelled"}
EITHER = pytest.mark.parametrize("address", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)], indirect=True)


@EITHER
async def test_of_those_who_decide_cancel_and_claim_at_once_one_wins_and_all_agree(tmp_path: Path, address: Path | Secret) -> None:
    async with hall(tmp_path, address) as people:
        last, ends = len(people.gateways) - 1, set()
        for name in ("Ada", "Bob", "Carol", "Dan"):
            people.reviewer(name)
        for number in range(8):
            intent, task = await people.park("approve", f"number {number}", at=number % (last + 1))
            names = list(ACTS)[number % 6 :] + list(ACTS)[: number % 6]
            statuses = dict(
                zip(names, await asyncio.gather(*(acted(people, name, (intent, task), rank * 0.004) for rank, name in enumerate(names))), strict=True)
            )
            assert set(statuses.values()) <= {200, 409}, statuses
            winners = [name for name, status in statuses.items() if status == 200 and name in ENDS]
            # What was accepted can still be called off until it goes on; then the last word counts, and no model was asked.
            winners = [name for name in winners if not (name.startswith("accept") and any(other.startswith("cancel") for other in winners))]
            assert len(winners) <= 1, statuses
            assert len([name for name, status in statuses.items() if status == 200 and name.startswith(("accept", "refuse"))]) <= 1, statuses
            if winners:
                assert (await people.outcome(intent, at=last))["state"] == ENDS[winners[0]]
            else:
                assert people.query("SELECT claimed_name FROM tasks WHERE id = :id", id=task)[0]["claimed_name"] == "Dan"
                assert (await people.call("DELETE", f"/v1/intents/{intent}", key=people.key())).status == 200
            ends.add(winners[0] if winners else "claim")
        completed = len([row for row in people.query("SELECT state FROM intents") if row["state"] == "completed"])
        assert len(people.asked()) == completed
        assert len(ends) > 1
        await until(lambda: not any(len(each.gateway.services.background) for each in people.gateways))
        await people.verified()


async def acted(people: Hall, name: str, place: tuple[str, str], after_s: float) -> int:
    await asyncio.sleep(after_s)
    if len(people.gateways) == 1 and name.endswith("elsewhere"):
        return 409
    act = ACTS[name] if len(people.gateways) > 1 else {**ACTS, "refuse": deciding("refuse", "Carol", 0)}[name]
    return await act(people, *place)


@EITHER
async def test_a_decision_and_the_expiry_of_its_task_do_not_both_happen(tmp_path: Path, address: Path | Secret) -> None:
    async with hall(tmp_path, address, waiting="{sweep_s: 0.1, poll_s: 0.05}") as people:
        parked = [await people.park("brief", f"number {number}") for number in range(8)]
        expires = people.query("SELECT MAX(expires_ns) AS at FROM tasks")[0]["at"]
        await asyncio.sleep(max(0.0, expires / 1e9 - time.time() - 0.15))
        replies = []
        for number, (intent, task) in enumerate(parked):
            replies.append((intent, task, await people.decide(task, at=number % len(people.gateways))))
            await asyncio.sleep(0.03)
        for intent, task, reply in replies:
            assert reply.status in {200, 409}, reply.body
            ended = await people.outcome(intent)
            if reply.status == 409:
                assert (ended["state"], ended["error"]["code"]) == ("expired", "policy_denied"), ended
            else:
                again = people.query("SELECT state FROM tasks WHERE intent_id = :id AND id <> :t", id=intent, t=task)
                assert ended["state"] == "completed" or again, ended
        assert len(people.asked()) == len([row for row in people.query("SELECT state FROM intents") if row["state"] == "completed"])
        await people.verified()


@EITHER
async def test_what_several_processes_want_to_go_on_with_goes_on_once(tmp_path: Path, address: Path | Secret) -> None:
    async with hall(tmp_path, address, waiting="{sweep_s: 60, poll_s: 0.05}") as people:
        parked = [await people.park("approve", f"number {number}", at=number % len(people.gateways)) for number in range(20)]
        async with people.held_up():
            for _, task in parked:
                await people.accepted(task)
        await asyncio.gather(*(each.gateway.looking.sweeper.sweep() for each in people.gateways for _ in range(3)))
        for intent, _ in parked:
            assert (await people.outcome(intent, at=-1))["state"] == "completed"
            assert people.kinds(intent) == ["opened", "parked", "decided", "resumed", "closed"]
        assert sorted(one["messages"][0]["content"] for one in people.asked()) == sorted(f"number {number}" for number in range(20))
        assert people.query("SELECT COUNT(*) AS many FROM approvals WHERE used_ns IS NULL")[0]["many"] == 0
        await people.verified()
