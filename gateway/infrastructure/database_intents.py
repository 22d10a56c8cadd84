"""Queries over intents that wait or came with a key, and over what it takes to go on with them. What they mean is ``capabilities/intents.py``'s."""

from __future__ import annotations

from typing import NamedTuple

from gateway.infrastructure.database_ledger import MoveRefused


class IntentRow(NamedTuple):
    """An intent that waits or waited for a person, or came with an idempotency key."""

    tenant: str
    id: str
    subject: str
    state: str
    """``gateway.domain.State``."""
    version: int
    """1 with the first row, one more with every change that a decision about it must not overlook."""
    surface: str
    route: str
    stream: bool
    """Whether the caller wants a stream."""
    call_sha256: str
    """What it is: subject, surface and body."""
    idempotency_key: str | None
    created_ns: int
    changed_ns: int
    trace: str
    """``traceparent`` of its newest segment."""
    task_id: str | None
    """Its newest task."""
    ready_ns: int | None
    """Parked: when it can go on. ``None`` while somebody has to decide."""
    holds: int
    """How often it was parked."""
    http_status: int | None
    """How it ended for the caller."""
    collected_ns: int | None
    """When the caller was told how it ended."""
    record_expires_ns: int | None
    """When the content of its record ends."""
    expires_ns: int | None
    """Ended: when this row and all that hangs on it go. ``None`` before."""


class PayloadRow(NamedTuple):
    """What it takes to go on with an intent, or to tell its outcome again: encrypted."""

    tenant: str
    intent_id: str
    kind: str
    """``call``, ``draft``, ``context`` or ``answer``."""
    key_id: str
    sealed: bytes
    expires_ns: int | None
    """``None``: with its intent."""


class StaleError(MoveRefused):
    """The row is not there, or not in the state and version that the move needs. The message says what it is."""

    def __init__(self, message: str, *, state: str | None = None, claimed_name: str | None = None) -> None:
        """``state`` is what the row is in, ``None`` where there is none; ``claimed_name`` who works on it, where that is in the way."""
        super().__init__(message)
        self.state = state
        self.claimed_name = claimed_name


class BusyError(StaleError):
    """Somebody else changes the row at this very moment. It can be tried again."""


class JoinError(MoveRefused):
    """The same subject's same call waits already."""

    def __init__(self, intent_id: str) -> None:
        super().__init__("the same call of the same subject is under way or has an outcome that nobody has fetched")
        self.intent_id = intent_id


class TakenError(MoveRefused):
    """The subject has used the idempotency key already."""

    def __init__(self, row: IntentRow) -> None:
        """``row`` is the intent that came with it."""
        super().__init__("the idempotency key is taken")
        self.row = row


class IllegalMoveError(ValueError):
    """A move that is not in ``MOVES`` or ``TASK_MOVES``, or rows that do not belong together: a defect of the caller."""
