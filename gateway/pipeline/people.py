"""What people are shown of an intent: only what policy reveals to them."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.redaction.transcript import choices
from gateway.domain import Json, Obligations, Origin
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.intent import Plan
from gateway.pipeline.parked import Draft


def task_words(task: TaskRow) -> Json:
    """What a caller is told of the task that its call waits for."""
    return {"id": task.id, "queue": task.queue, "mode": task.mode, "due_at": clock(task.due_ns), "expires_at": clock(task.expires_ns)}


def clock(at_ns: int) -> str:
    """A time as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def draft_context(inspection: Inspection, draft: Draft | None, obligations: Obligations, plan: Plan | None) -> Json | None:
    """An answer that waits for a judgement, as people see it."""
    if draft is None:
        return None
    answer = inspection.inspect_answer(draft.body, json=plan is not None and bool(plan.schemas), origin=origin_of(draft))
    return {"choices": choices(answer.for_person(obligations)), "source": draft.source, "author": draft.name or draft.author}


def origin_of(draft: Draft) -> Origin:
    """Who brought what is found in it."""
    return Origin.PERSON if draft.source == "person" else Origin.MODEL
