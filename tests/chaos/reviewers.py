"""Reviewers of a storm: they claim, decide, refuse, take back and race each other, and write down what the gateway said to it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import orjson

from tests.chaos.storm import Deed, Line, Storm

_FREELY = {"approve": ("accept",) * 4 + ("refuse",), "review": ("accept",) * 3 + ("edit",) * 3 + ("refuse",), "answer": ("answer",) * 4 + ("refuse",)}


async def review_on(storm: Storm, name: str) -> None:
    """One reviewer, to the end of the storm."""
    with closing(Line(storm)) as line, closing(Line(storm)) as rival:
        number = 0
        while not storm.over:
            task = await _picked(storm, line, name)
            if task is None:
                await asyncio.sleep(0.05)
                continue
            number += 1
            if storm.draw.random() < 0.2:
                other = storm.draw.choice([each for each in storm.people.reviewers if each != name])
                await asyncio.gather(_decide(storm, line, name, task, number), _decide(storm, rival, other, task, -number))
            else:
                await _work(storm, line, name, task, number)
            await asyncio.sleep(storm.draw.random() * (0.02 if storm.ending else 0.08))


async def _picked(storm: Storm, line: Line, name: str) -> dict[str, Any] | None:
    queue = "" if storm.ending or storm.draw.random() < 0.1 else "&queue=desk"
    seen = await line.ask("GET", f"/v1/tasks?limit=30{queue}", storm.people.reviewers[name])
    tasks = (seen.body or {}).get("data") or []
    if storm.ending:  # those who approved already have to leave it to somebody else
        tasks = [task for task in tasks if not _by(task, name)]
    elif begun := [task for task in tasks if task["approvals"]]:
        tasks = begun if storm.draw.random() < 0.3 else tasks
    return storm.draw.choice(tasks) if tasks else None


def _by(task: dict[str, Any], name: str) -> bool:
    return any(each["by"]["name"] == name for each in task["approvals"])


def _action(storm: Storm, task: dict[str, Any]) -> str:
    """What to decide: in the end always in favour."""
    mode = task["mode"]
    if mode == "answer" and "accept" in task["actions"] and (storm.ending or storm.draw.random() < 0.7):
        return "accept"
    favours = [action for action in _FREELY[mode] if action != "refuse" or not storm.ending]
    return storm.draw.choice(favours)


async def _work(storm: Storm, line: Line, name: str, task: dict[str, Any], number: int) -> None:
    chance, key = storm.draw.random(), storm.people.reviewers[name]
    if chance < 0.35:
        claimed = await line.ask("POST", f"/v1/tasks/{task['id']}/claim", key, body=b"{}")
        storm.tally[f"claims answered {claimed.status}"] += 1
        if claimed.status == 200:
            task = claimed.body or task
        if storm.draw.random() < 0.2:
            if storm.draw.random() < 0.5:
                await line.ask("POST", f"/v1/tasks/{task['id']}/release", key, body=b"{}")
            return  # or it is forgotten
    elif _by(task, name) and not storm.ending and chance < 0.7:
        taken = await line.ask("POST", f"/v1/tasks/{task['id']}/withdraw", key, body=b"{}")
        storm.tally[f"withdrawals answered {taken.status}"] += 1
        return
    await _decide(storm, line, name, task, number)


async def _decide(storm: Storm, line: Line, name: str, task: dict[str, Any], number: int) -> None:
    action = _action(storm, task)
    content = f"Reply {number} of {name}: it is on its way." if action in {"edit", "answer"} else None
    decision: dict[str, Any] = {"action": action, "comment": "seen"}
    if content is not None:
        decision["content"] = content
    several = action == "accept" and task["mode"] != "approve" and task["min_approvers"] > 1  # then it has to be said
    if storm.draw.random() < 0.5 or several:
        decision["version"] = task["version"]
    storm.decided.set()
    seen = await line.ask("POST", f"/v1/tasks/{task['id']}/decide", storm.people.reviewers[name], body=orjson.dumps(decision))
    body = seen.body or {}
    storm.tally[f"decisions answered {seen.status}{'' if seen.error is None else ' ' + seen.error}"] += 1
    storm.deeds.append(Deed(task["id"], task["intent"], name, action, content, seen.status, seen.error, body.get("state")))
    if seen.status not in {0, 200, 403, 409, 503}:
        storm.problems.append(f"a decision ({action}, {task['mode']}) was answered {seen.status} {seen.error}")
