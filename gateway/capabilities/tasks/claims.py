"""Who works on a task."""

from __future__ import annotations

from gateway.domain_tasks import TaskState
from gateway.infrastructure.database_intents import StaleError
from gateway.infrastructure.database_tasks import TaskRow


def unheld(task: TaskRow, by: str, now_ns: int) -> TaskRow:
    """The task, unless somebody else works on it now.

    Raises:
        StaleError: Somebody does: ``claimed_name``.
    """
    if task.claimed_by not in {None, by} and (task.claimed_until_ns or 0) > now_ns:
        raise StaleError(f"task {task.id} is claimed by {task.claimed_name}", state=task.state, claimed_name=task.claimed_name)
    return task


def free(task: TaskRow) -> TaskRow:
    """The next version of a task: open, and nobody works on it."""
    return task._replace(state=TaskState.OPEN.value, version=task.version + 1, claimed_by=None, claimed_name=None, claimed_until_ns=None)
