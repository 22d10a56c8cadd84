"""What a waiting intent is made of: policy's demand for a person, where it waits, and what it goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.domain import Decision, Json, Obligations, Reason, State
from gateway.domain_tasks import Approval, Mode
from gateway.errors import GatewayError
from gateway.infrastructure.database_intents import IntentRow
from gateway.infrastructure.database_tasks import TaskRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Policy wants a person to decide, and there is a queue for it."""

    decision: Decision
    reasons: tuple[Reason, ...]
    obligations: Obligations
    mode: Mode
    queue: str
    min_approvers: int
    distinct_from: tuple[str, ...]
    expires_in_s: float
    on_expiry: str
    hold_sha256: str
    """Over hook, queue, mode and rules: whether two holds are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An intent whose outcome comes later and from elsewhere: it waits for a person, or another call with the same key or body is under way."""

    tenant: str
    intent_id: str
    trace_id: str
    route: str
    model: str
    """As the caller named it."""
    task: Json | None = None
    """``{"id", "queue", "mode", "due_at", "expires_at"}``; ``None`` where nobody is waited for."""
    wait_s: float
    """How long its route lets callers wait."""
    joined: bool = False
    """Whether this call is not the one that is parked, but one that says the same."""
    embeds: bool = False
    decision: str | None = None
    """The outcome of the verdict on this call: ``escalate``; ``None`` where policy was not asked about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An answer that waits for a person's judgement, with all that the gateway knows of it. It is kept encrypted."""

    body: Json
    """A whole chat completion, placeholders and all."""
    source: str
    """``model``, ``gateway`` (the route's last resort) or ``person``."""
    author: str
    """The model, or the id of the person's key."""
    name: str = ""
    """The person's name."""
    answered_by: str | None = None
    standings: tuple[Mapping[str, Any], ...] = ()
    """How each choice stands, as JSON."""
    extracted: bool = False
    attempts: tuple[Mapping[str, Any], ...] = ()
    """Every call of a target so far, as on record."""
    repairs: tuple[Mapping[str, Any], ...] = ()
    redactions: Mapping[str, int] = field(default_factory=dict)
    """What was hidden from the model."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the caller is told besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """What a parked intent goes on from."""

    row: IntentRow
    """As it is now that it runs again."""
    task: TaskRow
    """What it waited for."""
    approvals: tuple[Approval, ...]
    """Those that stand."""
    draft: Draft | None
    """The answer that was judged or written; ``None`` where nobody was asked for one yet."""
    expired: bool
    """Whether it goes on because nobody decided in time."""


class Outcome(NamedTuple):
    """What came of an intent, as its caller is told, whenever it asks."""

    state: State
    status: int
    body: Json | None
    """The whole answer."""
    error: GatewayError | None
