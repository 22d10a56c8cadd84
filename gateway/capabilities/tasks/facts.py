"""A task as it is shown: by the API, by commands and to webhooks. Nothing in it is content of the intent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from gateway.capabilities.decision_log.events import timestamp
from gateway.domain import Json
from gateway.domain_tasks import ACTIONS, TASK_MOVES, Action, Mode, TaskState
from gateway.infrastructure.database_tasks import ApprovalRow, TaskMove, TaskRow

_ORDER: Final = tuple(Action)


def task_facts(row: TaskRow, now_ns: int, *, approvals: Sequence[ApprovalRow] = (), url_prefix: str | None = None) -> Json:
    """A task as JSON. Times are RFC 3339 in UTC.

    A claim that has lapsed is none: such a task is ``open``. ``approvals`` are those of the task; revoked ones are left out. With ``url_prefix``, the address
    of the gateway, ``url`` is the task's own.
    """
    given = [each for each in approvals if each.task_id == row.id and each.revoked_ns is None]
    facts: Json = {"id": row.id, "object": "task", "intent": row.intent_id}
    facts |= {"queue": row.queue, "mode": row.mode, "hook": row.hook}
    facts |= _claim_facts(row, now_ns)
    facts |= {"version": row.version, "route": row.route}
    facts |= {"requester": {"id": row.requester, "name": row.requester_name}}
    facts |= {"reasons": orjson.loads(row.reasons), "signals": orjson.loads(row.signals), "confidence": row.confidence}
    facts |= {
        "created_at": timestamp(row.created_ns),
        "due_at": timestamp(row.due_ns),
        "expires_at": timestamp(row.expires_ns),
        "overdue": row.due_ns <= now_ns,
    }
    facts |= {"on_expiry": row.on_expiry, "min_approvers": row.min_approvers, "distinct_from": orjson.loads(row.distinct_from), "overdue": row.due_ns <= now_ns}
    facts |= {"approvals": [_approval_facts(each) for each in given], "outcome": row.outcome}
    facts["actions"] = _actions(row, given)
    if url_prefix is not None:
        facts["url"] = f"{url_prefix.rstrip('/')}/v1/tasks/{row.id}"
    return facts


def move_facts(move: TaskMove) -> Json:
    """A line of a task's history as JSON."""
    return {"at": timestamp(move.at_ns), "move": move.move, "by": {"id": move.by, "name": move.name}, "facts": orjson.loads(move.facts)}


def _claim_facts(row: TaskRow, now_ns: int) -> Json:
    """The state, and who works on it until when."""
    if row.state != TaskState.CLAIMED:
        return {"state": row.state, "claimed_by": None, "claimed_until": None}
    if row.claimed_until_ns is None or row.claimed_until_ns <= now_ns:
        return {"state": TaskState.OPEN.value, "claimed_by": None, "claimed_until": None}
    who = {"id": row.claimed_by, "name": row.claimed_name}
    return {"state": row.state, "claimed_by": who, "claimed_until": timestamp(row.claimed_until_ns)}


def _approval_facts(row: ApprovalRow) -> Json:
    return {"id": row.id, "by": {"id": row.by, "name": row.name}, "action": row.action, "at": timestamp(row.at_ns), "expires_at": timestamp(row.expires_ns)}


def _actions(row: TaskRow, given: Sequence[ApprovalRow]) -> list[str]:
    """What can be decided now: nothing about a task that has ended, and no answer is accepted that nobody has given."""
    if not TASK_MOVES[TaskState(row.state)]:
        return []
    mode = Mode(row.mode)
    can = set(ACTIONS[mode])
    if mode is Mode.ANSWER and not any(each.action == Action.ANSWER for each in given):
        can.discard(Action.ACCEPT)
    return [action.value for action in _ORDER if action in can]
