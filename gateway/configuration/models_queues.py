"""The shape of ``queues`` and ``waiting`` in ``config.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.configuration.compiled_queues import KEEP_ALIVE_S
from gateway.configuration.forms import OnExpiry, Reference, Seconds, Shape, Texts, UrlOrEnv

YEAR_S = 31_536_000
DUE_S, EXPIRES_S = 3_600.0, 86_400.0

Span = Annotated[float, Field(gt=0, le=YEAR_S, allow_inf_nan=False)]
Pause = Annotated[float, Field(ge=0.01, le=60, allow_inf_nan=False)]


class WebhookShape(Shape):
    """A server that is told of new tasks, as Standard Webhooks has it."""

    url: UrlOrEnv = Field(description="Where each new task of the queue is posted to, without its content: http or https, or env:NAME. Never redirected.")
    secret: Reference = Field(
        description="Key of its signatures (webhook-signature, HMAC-SHA256): 24 to 64 bytes in base64, with or without whsec_ before; the receiver has it too."
    )


class QueueShape(Shape):
    """Where tasks wait for people."""

    description: str = Field("", description="What is decided there, for people.")
    due_s: Span = Field(DUE_S, description="Seconds after which a task is due. The list of tasks is in this order; nothing ends then.")
    expires_s: Span = Field(EXPIRES_S, description="Seconds after which a task that nobody decided expires, if policy set no other number.")
    claim_s: Seconds = Field(900.0, description="Seconds for which a claim keeps others from deciding a task.")
    on_expiry: OnExpiry = Field(
        "refuse",
        description="What an expired task does, if policy said nothing else: refuse ends its intent, release lets it go on, queue:NAME moves it there.",
    )
    teams: Texts = Field((), description="Teams whose reviewers see the queue; without any, all reviewers of the tenant.")
    webhook: WebhookShape | None = Field(None, description="A server that is told of each new task, as Standard Webhooks has it.")


class WaitingShape(Shape):
    """How intents that wait for people are kept."""

    keep_s: Span = Field(86_400.0, description="Seconds for which the answer of an ended intent can be fetched, and an Idempotency-Key is remembered.")
    join_s: float = Field(
        600.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds within which the same call of the same subject joins the one that waits for a person; 0 makes each call wait by itself.",
    )
    sweep_s: Pause = Field(1.0, description="Seconds between looks for intents that can go on and tasks that have expired.")
    poll_s: Pause = Field(0.5, description="Seconds between looks for what another process has ended, while callers wait in this one.")
    keep_alive_s: Pause = Field(
        KEEP_ALIVE_S, description="Seconds between keep-alives to a caller that waits for its answer: less than proxies and clients let a connection idle."
    )
