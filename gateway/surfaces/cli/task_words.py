"""Tasks in words for a terminal. Texts of other people come with their control characters written out, so that none acts on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from gateway.domain import Json

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_ORDERS: Final = {
    "accept": "--accept",
    "refuse": "--refuse",
    "edit": "--edit FILE",
    "answer": "--answer FILE",
}


def row_of(task: Json, now: datetime) -> str:
    """A line of the list: id, state, queue, mode, when it is due, route, who asked, who works on it, and the first reason."""
    held = f"{task['claimed_by']['name'] or task['claimed_by']['id']} works on it; " if task["claimed_by"] else ""
    reason = task["reasons"][0]["message"] if task["reasons"] else ""
    asked = task["requester"]["name"] or task["requester"]["id"]
    due = "-" if task["outcome"] else relative(task["due_at"], now)
    return line(
        f"{task['id']}  {task['state']:<9}  {task['queue']:<12}  {task['mode']:<7}  {due:>13}  {task['route']:<14}  {asked:<16}  {held}{reason}"
    ).rstrip()


def relative(moment: str, now: datetime) -> str:
    """A time as it is from now: ``in 12 min``, ``3 h late``."""
    left = datetime.fromisoformat(moment[:19] + "+00:00") - now
    return f"in {_rough(left)}" if left > timedelta(0) else f"{_rough(-left)} late"


def _rough(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit}"


def plain(text: str) -> str:
    """``text`` without anything that a terminal would act on, hide or turn around; line feeds and tabs stay."""
    return "".join(each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode() for each in text)


def line(text: str) -> str:
    """``text`` on one line."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def drawn(task: Json, now: datetime) -> Iterator[str]:
    """The lines of a task with its context and history."""
    ended = task["outcome"] is not None
    yield line(
        f"{task['id']}  {task['state']}{' (' + task['outcome'] + ')' if ended else ''}  {task['mode']} in queue {task['queue']}  version {task['version']}"
    )
    who = task["requester"]
    yield line(f"asked by {who['name'] or who['id']} ({who['id']}) on route {task['route']}; record {task['intent']}")
    if not ended:
        yield line(f"due {relative(task['due_at'], now)}, expires {relative(task['expires_at'], now)}, then: {task['on_expiry']}")
        yield from _deciding(task)
    for reason in task["reasons"]:
        yield line(f"because {reason['message']} ({reason['rule']})")
    if task["confidence"] is not None or task["signals"]:
        yield line(f"confidence {task['confidence']}  {_compact(task['signals'])}")
    yield from _context(task)
    yield ""
    for move in task["history"]:
        yield line(f"{move['at'][:19]}Z  {move['move']:<9}  {move['by']['name'] or move['by']['id']}  {_compact(move['facts'])}".rstrip())
    if task["actions"]:
        orders = " | ".join(_ORDERS.get(action, action) for action in task["actions"])
        yield f"decide: gateway tasks decide {line(task['id'])} --version {task['version']} {orders}"


def _deciding(task: Json) -> Iterator[str]:
    """Who is wanted, who has decided and who is at it."""
    if task["min_approvers"] > 1 or task["approvals"]:
        given = ", ".join(one["by"]["name"] or one["by"]["id"] for one in task["approvals"]) or "nobody"
        yield line(f"wants {task['min_approvers']} persons; approved by {given}")
    if task["distinct_from"]:
        yield line(f"not by: {', '.join(task['distinct_from'])}")
    if task["claimed_by"]:
        yield line(f"{task['claimed_by']['name'] or task['claimed_by']['id']} works on it until {task['claimed_until'][:19]}Z")


def _context(task: Json) -> Iterator[str]:
    context = task["context"]
    if context is None:
        yield line(f"nothing to show: {task['context_missing']}")
        return
    request = context.get("request") or {}
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else []:
        yield from _said(str(message.get("role")) if isinstance(message, dict) else "?", message)
    rest = {name: value for name, value in request.items() if name != "messages"}
    yield ""
    yield line(f"parameters: {_compact(rest)}")
    draft = context.get("draft")
    for choice in draft["choices"] if draft else ():
        yield from _said(f"draft {choice['index']} by {draft['author']}", choice)


def _said(who: str, message: Any) -> Iterator[str]:
    """A message under who said it: its text, then whatever else it has."""
    yield ""
    yield line(f"{who}:")
    if not isinstance(message, dict):
        yield line(_compact(message))
        return
    content = message.get("content")
    if isinstance(content, str):
        yield from _indented(content)
    rest = {
        name: value
        for name, value in message.items()
        if value and name not in {"role", "index", "finish_reason"} and not (name == "content" and isinstance(value, str))
    }
    if rest:
        yield from _indented(_compact(rest))


def _indented(text: str) -> Sequence[str]:
    return [f"    {line}" for line in plain(text).split("\n")]


def _compact(value: Any) -> str:
    return orjson.dumps(value).decode() if value not in ({}, [], None) else ""
