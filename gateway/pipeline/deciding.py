"""Deciding: what a person decides, and whether it can be taken for the task as it is now."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from gateway.capabilities.intents import Loaded
from gateway.domain import State, Subject
from gateway.domain_tasks import ACTIONS, Action, Mode, TaskState
from gateway.errors import Conflict, InvalidRequest, NotFound, RecordUnavailable
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.services import Services

WRITES = frozenset({Action.EDIT, Action.ANSWER})
"""The decisions that bring an answer of the person's own."""
_DRAFTED = frozenset({Mode.REVIEW, Mode.ANSWER})
"""The modes in which people judge a draft that another of them can change."""
_CLOSED = frozenset({TaskState.DECIDED, TaskState.EXPIRED, TaskState.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a person decides."""

    action: Action
    content: str | list[str] | None = None
    """Of ``edit`` and ``answer``: the new content, one for each choice of the draft."""
    comment: str | None = None
    """For the record, which keeps it redacted; the caller does not see it."""
    version: int | None = None
    """Of the task as the person saw it; ``None`` where they did not say."""
    found: int | None = None
    """Of the task as it was when this person was let in to it; ``None`` does not look."""


def check(task: TaskRow, reviewer: Subject, decision: Decided) -> None:
    """See that a decision fits the task as it is now.

    Raises:
        Conflict: It is decided already, its time is over, somebody else works on it, or it has changed since it was looked at.
        InvalidRequest: The action does not fit its mode, has content where it has none, or none where it needs it, or accepts a draft without saying which.
    """
    if TaskState(task.state) in _CLOSED:
        raise Conflict(f"the task is {task.state} already", code="task_closed")
    if task.expires_ns <= time.time_ns():  # an approval would end with it, and the intent would only be held again
        raise Conflict("the time for this task is over; what happens then is under way", code="task_closed")
    if any(seen not in {None, task.version} for seen in (decision.version, decision.found)):
        raise Conflict("the task has changed since you looked at it; look again", code="task_changed")
    _check_form(task, decision)
    if task.claimed_by not in {None, reviewer.id} and (task.claimed_until_ns or 0) > time.time_ns():
        raise Conflict(f"{task.claimed_name or task.claimed_by} works on this task; wait, or ask them to release it", code="task_claimed")


def _check_form(task: TaskRow, decision: Decided) -> None:
    if decision.action not in ACTIONS[Mode(task.mode)]:
        able = ", ".join(sorted(ACTIONS[Mode(task.mode)]))
        raise InvalidRequest(f"a task of mode {task.mode} takes {able}", param="action")
    if (decision.content is not None) is not (decision.action in WRITES):
        raise InvalidRequest("'content' belongs to edit and answer, and they need it", param="content")
    if decision.version is None and is_blind(task, decision.action):
        raise InvalidRequest(
            "another reviewer may have changed the draft since you looked at it: look at the task (GET /v1/tasks/ID, or gateway tasks show), and send "
            "the 'version' that it has there (--version) with what you accept",
            param="version",
        )


def is_blind(task: TaskRow, action: Action) -> bool:
    """Whether this action, without a version, could approve what nobody has seen: a draft that several people judge, and any of them can change."""
    return action is Action.ACCEPT and Mode(task.mode) in _DRAFTED and task.min_approvers > 1


async def read_task(services: Services, tenant: str, task_id: str) -> TaskRow:
    """A task of the tenant.

    Raises:
        NotFound: There is none.
        RecordUnavailable: The database cannot be read.
    """
    try:
        task = await asyncio.to_thread(services.tasks.get, tenant, task_id)
    except DatabaseError as error:
        raise RecordUnavailable("the gateway cannot read its tasks; try again later") from error
    if task is None:
        raise NotFound("there is no such task for this key")
    return task


async def load_task(services: Services, task: TaskRow) -> Loaded:
    """The intent that waits for a task, with all that hangs on it.

    Raises:
        Conflict: It does not wait for it any more, or the task has changed since it was read.
        RecordUnavailable: The database cannot be read.
    """
    try:
        loaded = await asyncio.to_thread(services.intents.load, task.tenant, task.intent_id)
    except DatabaseError as error:
        raise RecordUnavailable("the gateway cannot read its tasks; try again later") from error
    if loaded is None or loaded.row.state != State.PARKED or loaded.row.task_id != task.id:
        raise Conflict("the intent of this task does not wait any more", code="task_closed")
    if loaded.task is None or loaded.task.version != task.version:  # what follows is about both as they are together
        raise Conflict("the task has changed meanwhile; look at it again", code="task_changed")
    return loaded
