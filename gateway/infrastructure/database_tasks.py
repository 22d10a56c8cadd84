"""Queries over tasks, their history, approvals and announcements. What they mean is ``capabilities/tasks``'s."""

from __future__ import annotations

from typing import NamedTuple


class TaskRow(NamedTuple):
    """What a person is asked to decide about an intent."""

    tenant: str
    id: str
    intent_id: str
    queue: str
    mode: str
    hook: str
    state: str
    """``gateway.domain_tasks.TaskState``."""
    version: int
    """1 with the first row, one more with every move."""
    route: str
    requester: str
    """The subject of the intent."""
    requester_name: str
    created_ns: int
    due_ns: int
    expires_ns: int
    on_expiry: str
    min_approvers: int
    distinct_from: str
    """JSON array of who must not decide it."""
    claimed_by: str | None
    claimed_name: str | None
    claimed_until_ns: int | None
    reasons: str
    """JSON: why policy wants a person."""
    signals: str
    """JSON: what confidence was judged by."""
    confidence: float | None
    policy_revision: str
    scope_sha256: str
    hold_sha256: str
    outcome: str | None
    """How it ended: the name of its last move."""
    moved: int
    """How often it was moved to another queue."""


class TaskMove(NamedTuple):
    """What happened to a task."""

    tenant: str
    task_id: str
    seq: int
    """1 is the first. Whoever records a move gives it the next number, whatever stands here."""
    at_ns: int
    move: str
    by: str
    """The id of the person's key, or a name of the gateway's own."""
    name: str
    facts: str
    """JSON object."""


class ApprovalRow(NamedTuple):
    """What a person has decided in favour of one exact call."""

    tenant: str
    id: str
    intent_id: str
    task_id: str
    hook: str
    by: str
    name: str
    roles: str
    """JSON array."""
    teams: str
    """JSON array."""
    mode: str
    action: str
    at_ns: int
    scope_sha256: str
    hold_sha256: str
    policy_revision: str
    expires_ns: int
    key_id: str
    mac: bytes
    """Over every other column but the last two."""
    used_ns: int | None
    revoked_ns: int | None


class AnnouncementRow(NamedTuple):
    """That somebody has still to be told of a task."""

    tenant: str
    task_id: str
    queue: str
    due_ns: int
    attempts: int
