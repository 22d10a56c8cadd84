"""Where people's work waits, as the rest of the gateway sees it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.configuration.secret import Secret

WAIT_S = 60.0
"""The default of ``routes.NAME.wait_s``: as long as most clients wait for an answer anyway."""

KEEP_ALIVE_S = 15.0
"""The default of ``waiting.keep_alive_s``: the WHATWG's advice for server-sent events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A server that is told of the tasks of a queue (Standard Webhooks)."""

    url: str
    secret: Secret
    """``reveal()`` gives the key of the signatures itself, not its base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue of tasks for people. Policy can set another expiry for a task."""

    name: str
    description: str
    due_s: float
    """When a task is to be decided, in seconds after it came into this queue. Nothing ends then: it is the order of the list."""
    expires_s: float
    """When it ends without a person."""
    claim_s: float
    """How long a claim keeps others from deciding."""
    on_expiry: str
    """``REFUSE``, ``RELEASE`` or ``QUEUE_PREFIX`` and the name of a queue, which is known; they never go round."""
    teams: frozenset[str]
    """Whose reviewers see it; all of the tenant's where it is empty."""
    webhook: Webhook | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How intents that wait for people are kept and looked after."""

    keep_s: float
    """How long an ended intent's answer can be fetched, and an idempotency key lives."""
    join_s: float
    """How long the same call of the same subject joins the one that waits; 0 for never."""
    sweep_s: float
    """Between two looks for what is ready or has expired."""
    poll_s: float
    """Between two looks for what other processes have ended, while callers wait here."""
    keep_alive_s: float = KEEP_ALIVE_S
    """Between two keep-alives to a caller that waits."""
