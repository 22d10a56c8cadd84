"""Terms: what a task asks of people is sealed with what they are shown, since its row in the database proves nothing.

Whoever can write to the database, but has no key, could otherwise have an approval made that policy did not ask for in this form: by fewer people, by the
requester, by nobody at all, or for another draft than the one that was shown.
"""

from __future__ import annotations

from typing import Final

from gateway.capabilities.approvals import scope_sha256
from gateway.capabilities.intents import Loaded
from gateway.capabilities.payloads import CONTEXT
from gateway.domain import Json
from gateway.errors import Conflict
from gateway.infrastructure.database_intents import PayloadRow
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.kept import TERMS, context_row, opened_payload
from gateway.pipeline.parked import Draft
from gateway.pipeline.services import Services

_ASKED: Final = (
    *("id", "intent_id", "queue", "mode", "hook", "requester", "requester_name", "min_approvers", "distinct_from"),
    *("expires_ns", "on_expiry", "policy_revision", "hold_sha256"),
)
"""The columns that say what is asked; the others say what became of it, or only inform."""


def terms_of(call_sha256: str, task: TaskRow, draft: Draft | None) -> Json:
    """What a task asks, and about what."""
    judged = scope_sha256(call_sha256, None if draft is None else draft.body)
    return {"judged": judged, **{name: getattr(task, name) for name in _ASKED}}


def is_as_asked(services: Services, loaded: Loaded, task: TaskRow | None, draft: Draft | None) -> bool:
    """Whether a task and the draft that is judged are what was written down when people were asked.

    Raises:
        PayloadUnavailable: What was written down cannot be read.
    """
    kept = loaded.payloads.get(CONTEXT)
    if kept is None or task is None:
        return False
    terms = opened_payload(services.payload_keys, kept).get(TERMS)
    return bool(terms == terms_of(loaded.row.call_sha256, task, draft))


def check_terms(services: Services, loaded: Loaded, task: TaskRow, draft: Draft | None) -> None:
    """See that a task may be decided in favour of its intent.

    Raises:
        Conflict: It is not what people were asked.
        PayloadUnavailable: What they were asked cannot be read.
    """
    if not is_as_asked(services, loaded, task, draft):
        said = "what this task asks was changed in the database, so that it can only be refused; an operator can restore its row from a backup"
        raise Conflict(said, code="task_forged")


def with_terms(services: Services, loaded: Loaded, task: TaskRow, draft: Draft | None) -> PayloadRow:
    """The context of an intent for a task that asks otherwise from now on.

    Raises:
        PayloadUnavailable: It cannot be read.
    """
    kept = loaded.payloads[CONTEXT]
    context = opened_payload(services.payload_keys, kept) | {TERMS: terms_of(loaded.row.call_sha256, task, draft)}
    return context_row(services, kept.tenant, kept.intent_id, context, expires_ns=kept.expires_ns)
