"""The vocabulary of what people decide: tasks, their states and moves, the terms that policy sets, and approvals.

``gateway.domain`` has the rest. Times are ``int`` nanoseconds since the Unix epoch where a field ends in ``_ns``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class TaskState(StrEnum):
    """The states of a task, which is a person's part of an intent."""

    OPEN = "open"
    CLAIMED = "claimed"
    """A person works on it; others can look on."""
    DECIDED = "decided"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Its intent was, so there is nothing left to decide."""


TASK_MOVES: Final[Mapping[TaskState, frozenset[TaskState]]] = MappingProxyType(
    {
        TaskState.OPEN: frozenset({TaskState.OPEN, TaskState.CLAIMED, TaskState.DECIDED, TaskState.EXPIRED, TaskState.CANCELLED}),
        TaskState.CLAIMED: frozenset({TaskState.OPEN, TaskState.CLAIMED, TaskState.DECIDED, TaskState.EXPIRED, TaskState.CANCELLED}),
        TaskState.DECIDED: frozenset(),
        TaskState.EXPIRED: frozenset(),
        TaskState.CANCELLED: frozenset(),
    }
)
"""Where a task can go from each state. It stays open or claimed while it moves to another queue, or one of several approvals is given or withdrawn."""


class Mode(StrEnum):
    """What a person is asked to do about an intent."""

    APPROVE = "approve"
    """Before the call: it may go, or not."""
    REVIEW = "review"
    """After it: the draft is accepted, edited or refused."""
    ANSWER = "answer"
    """The person answers in the model's place."""


class Action(StrEnum):
    """What a person decides about a task."""

    ACCEPT = "accept"
    EDIT = "edit"
    ANSWER = "answer"
    REFUSE = "refuse"


ACTIONS: Final[Mapping[Mode, frozenset[Action]]] = MappingProxyType(
    {
        Mode.APPROVE: frozenset({Action.ACCEPT, Action.REFUSE}),
        Mode.REVIEW: frozenset({Action.ACCEPT, Action.EDIT, Action.REFUSE}),
        Mode.ANSWER: frozenset({Action.ACCEPT, Action.ANSWER, Action.REFUSE}),
    }
)
"""What can be decided in each mode. In mode ``answer`` a second person accepts the first one's answer, where policy wants several."""


REFUSE: Final = "refuse"
RELEASE: Final = "release"
QUEUE_PREFIX: Final = "queue:"
"""What happens to a task that nobody decided in time: its intent ends, goes on without a person, or the task moves to another queue (``queue:NAME``)."""
REQUESTER: Final = "requester"
REVIEWERS: Final = "reviewers"
"""Who a person must not be to decide a task: who sent the intent, or anybody who decided an earlier task of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalTerms:
    """How a person is to decide about what policy escalates. ``None`` leaves the choice to the queue's config."""

    mode: Mode | None = None
    """By default ``approve`` for an intent and ``review`` for an answer."""
    queue: str | None = None
    """By default the only queue of the config, or the one named ``default``."""
    min_approvers: int = 1
    distinct_from: tuple[str, ...] = ()
    """Of ``REQUESTER`` and ``REVIEWERS``. Several approvers are always different persons."""
    expires_in_s: int | None = None
    on_expiry: str | None = None
    """``REFUSE``, ``RELEASE`` or ``queue:NAME``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person has decided in favour of one exact call, as policy sees it."""

    id: str
    hook: str
    """Whose hold it answers: a ``Hook``."""
    by: str
    """The id of the person's key; ``EXPIRY`` where nobody decided in time and policy had said that it goes on then."""
    name: str
    roles: tuple[str, ...]
    teams: tuple[str, ...] = ()
    mode: Mode
    action: Action
    at_ns: int
    scope_sha256: str
    """Over the canonical call and, where a draft was judged, that draft."""
    hold_sha256: str
    """Over what held it: hook, queue, mode and rules."""
    policy_revision: str
    """Of the policy that held it."""
    expires_ns: int


EXPIRY: Final = "gateway.expiry"
"""In the place of a person's id, where a task expired and policy had said that its intent goes on then."""


def is_same_name(one: str, other: str) -> bool:
    """Whether two keys are named after one person: case, spaces, characters that nobody sees and other forms of the same letters tell nobody apart.

    No name is nobody's.
    """
    return _folded(one) != "" and _folded(one) == _folded(other)


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(char for char in unicodedata.normalize("NFKC", plain) if unicodedata.category(char) != "Cf")
    return " ".join(seen.split())
