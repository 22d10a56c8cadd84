"""Review: a person decides about a task. What they write is checked like any other answer before it counts, and policy has the last word on it.

A decision, the approval that it gives and its entry on the record are one transaction. Where it was the last one that was missing the intent goes on at once.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

import orjson

from gateway.capabilities.approvals import Hold, grant
from gateway.capabilities.intents import Loaded
from gateway.capabilities.payloads import CONTEXT
from gateway.capabilities.records.entries import DECIDED, Entry
from gateway.capabilities.redaction.transcript import choices
from gateway.capabilities.tasks import store as moves
from gateway.domain import Destination, Json, Obligations, Reason, State, Subject
from gateway.domain_tasks import Action, Approval, Mode, TaskState
from gateway.errors import Conflict, InvalidRequest, NotFound, PolicyDenied
from gateway.infrastructure.database_intents import PayloadRow
from gateway.infrastructure.database_ledger import Effect, MoveRefused
from gateway.infrastructure.database_tasks import ApprovalRow, TaskRow
from gateway.pipeline.deciding import WRITES, Decided, check, load_task, read_task
from gateway.pipeline.draft import edited, person_standing
from gateway.pipeline.intent import Call
from gateway.pipeline.kept import SECOND_NS, TERMS, call_of, context_row, draft_of, draft_row, opened_payload
from gateway.pipeline.parked import Draft
from gateway.pipeline.patience import patiently
from gateway.pipeline.people import draft_context
from gateway.pipeline.rehearse import Rehearsed, rehearse
from gateway.pipeline.resume import KEY_REVOKED, resume, scopes_of, standing_approvals
from gateway.pipeline.services import Services
from gateway.pipeline.settle import Settlement, end_parked
from gateway.pipeline.tasks import check_distinct, is_same
from gateway.pipeline.terms import check_terms, terms_of

GRACE_NS = 3600 * SECOND_NS
"""How long after its task's end an approval stands: who decided in the last second, and was told so, is not asked again because the gateway stopped."""
_STRICTEST = Obligations()


async def decide(services: Services, reviewer: Subject, task_id: str, decision: Decided) -> TaskRow:
    """Take a person's decision; the task as it is afterwards. Who may see the task is checked before.

    Raises:
        NotFound: There is no such task.
        Conflict: It is decided already, somebody else works on it, or it has changed since it was looked at.
        Forbidden: This person must not decide it.
        InvalidRequest: The action does not fit the task, or what was written breaks the intent's schema.
        PayloadUnavailable: What was kept of the intent cannot be read.
        RecordUnavailable: The database cannot be read or written.
    """
    task = await read_task(services, reviewer.tenant, task_id)
    check(task, reviewer, decision)
    loaded = await load_task(services, task)
    check_distinct(reviewer, task, loaded.approvals)
    if decision.action is Action.REFUSE:
        return await _refuse(services, reviewer, loaded, task, decision)
    if services.keys.holder(task.tenant, loaded.row.subject) is None:
        await end_parked(services, loaded, KEY_REVOKED)
        raise Conflict("the key that made the call is revoked or expired: there is nobody to decide for, and the intent has ended", code="key_revoked")
    call = call_of(services, loaded, now_ns=time.time_ns())
    if call is None:
        raise Conflict("what was kept of the intent is not there any more", code="payload_expired")
    case = _Case(
        services=services,
        reviewer=reviewer,
        task=task,
        loaded=loaded,
        decision=decision,
        call=call,
        draft=draft_of(services, loaded),
        rehearsed=await rehearse(services, loaded, call),
    )
    check_terms(services, loaded, task, case.draft)
    payloads = await _write(case) if decision.action in WRITES else []
    if case.draft is None and task.mode != Mode.APPROVE:
        raise InvalidRequest("nobody has answered yet: there is nothing to accept", param="action")
    return await _approve(case, payloads)


@dataclass(slots=True, kw_only=True)
class _Case:
    """One decision about one task, with all that it is about."""

    services: Services
    reviewer: Subject
    task: TaskRow
    loaded: Loaded
    decision: Decided
    call: Call
    draft: Draft | None
    rehearsed: Rehearsed


async def withdraw(services: Services, reviewer: Subject, task_id: str) -> TaskRow:
    """Take back one's own approval of a task that is not decided yet; the task as it is afterwards.

    Raises:
        NotFound: There is no such task, or no approval of this person.
        Conflict: It is decided already.
        RecordUnavailable: The database cannot be read or written.
    """
    task = await read_task(services, reviewer.tenant, task_id)
    loaded = await load_task(services, task)
    mine = [one for one in loaded.approvals if one.task_id == task.id and one.by == reviewer.id and one.revoked_ns is None]
    if not mine:
        raise NotFound("there is no approval of yours to take back")
    now_ns = time.time_ns()
    effect = moves.withdraw(task.tenant, task.id, version=task.version, approval_id=mine[-1].id, by=reviewer.id, name=reviewer.name, now_ns=now_ns)
    entry = _entry(loaded, _facts(task, reviewer, "withdraw", mine[-1], complete=False), {}, now_ns)
    return await _move(services, task, effect, entry, complete=False)


async def _refuse(services: Services, reviewer: Subject, loaded: Loaded, task: TaskRow, decision: Decided) -> TaskRow:
    """A refusal needs nothing of what was kept: it counts also where that cannot be read, or the call could not go on any more."""
    error = PolicyDenied((Reason("person.refused", "a person refused it"),))
    facts = _facts(task, reviewer, decision.action, None, complete=True)
    entry = _entry(loaded, facts, _comment(services, task.tenant, decision), time.time_ns())
    await end_parked(services, loaded, Settlement(State.REFUSED, error, TaskState.DECIDED, "refuse", reviewer.id, reviewer.name, before=(entry,)))
    return await read_task(services, task.tenant, task.id)


async def _write(case: _Case) -> list[PayloadRow]:
    """What a person wrote is the draft from now on: it meets the intent's schemas, and other people see of it what policy reveals."""
    decision, services, row = case.decision, case.services, case.loaded.row
    contents = [decision.content] if isinstance(decision.content, str) else decision.content or []
    before = case.draft or case.rehearsed.blank(row)
    if len(contents) != len(before.body["choices"]):
        raise InvalidRequest(f"the draft has {len(before.body['choices'])} choices; 'content' needs one text for each", param="content")
    standing = person_standing(case.reviewer.id)._asdict() | {"signals": {}}
    draft = replace(
        before,
        body=await asyncio.to_thread(edited, case.rehearsed, before, contents),
        source="person",
        author=case.reviewer.id,
        name=case.reviewer.name,
        standings=(standing,) * len(contents),
        answered_by="person",
        extracted=False,
    )
    failures = await case.rehearsed.failures(draft)
    if failures:
        raise InvalidRequest(f"the answer does not meet its schema: {failures}", param="content", code="answer.schema_invalid")
    case.draft = draft
    kept = case.loaded.payloads[CONTEXT]
    context = opened_payload(services.payload_keys, kept)
    revealed = Obligations(reveal={Destination.PERSON: frozenset(context["revealed"])})
    context["draft"] = await asyncio.to_thread(draft_context, case.rehearsed.inspection, draft, revealed, case.rehearsed.plan)
    context[TERMS] = terms_of(row.call_sha256, case.task, draft)
    return [
        draft_row(services, row.tenant, row.id, draft, expires_ns=kept.expires_ns),
        context_row(services, row.tenant, row.id, context, expires_ns=kept.expires_ns),
    ]


async def _approve(case: _Case, payloads: list[PayloadRow]) -> TaskRow:
    task, reviewer, now_ns = case.task, case.reviewer, time.time_ns()
    scopes = scopes_of(case.loaded.row.call_sha256, task, case.draft)
    approval = grant(
        case.services.payload_keys,
        Hold(
            tenant=task.tenant,
            intent_id=task.intent_id,
            task_id=task.id,
            hook=task.hook,
            mode=Mode(task.mode),
            scope_sha256=scopes[task.hook],
            hold_sha256=task.hold_sha256,
            policy_revision=task.policy_revision,
            expires_ns=task.expires_ns + GRACE_NS,
        ),
        by=reviewer,
        action=case.decision.action,
        at_ns=now_ns,
    )
    wrote = case.decision.action in WRITES
    others = [] if wrote else _others(case)  # what was approved of the draft before is revoked with it, which is no reason to warn
    if any(is_same(reviewer, one.by, one.name) for one in others):
        raise Conflict("you have approved this already; another person has to, too", code="already_approved")
    complete = (1 if wrote else len(others) + 1) >= task.min_approvers
    effect = moves.decide(
        task.tenant,
        task.id,
        version=task.version,
        by=reviewer.id,
        name=reviewer.name,
        now_ns=now_ns,
        action=case.decision.action,
        approval=approval,
        revoke=[one.id for one in case.loaded.approvals if wrote and one.task_id == task.id and one.revoked_ns is None],
        payloads=payloads,
        complete=complete,
        ready_ns=now_ns if complete else None,
    )
    entry = _entry(case.loaded, _facts(task, reviewer, case.decision.action, approval, complete=complete), _content(case), now_ns)
    return await _move(case.services, task, effect, entry, complete=complete)


def _others(case: _Case) -> list[Approval]:
    """The approvals of this very task that stand for the draft as it was."""
    of_task = {one.id for one in case.loaded.approvals if one.task_id == case.task.id}
    return [one for one in standing_approvals(case.services, case.loaded, case.call, case.draft) if one.id in of_task]


async def _move(services: Services, task: TaskRow, effect: Effect[None], entry: Entry, *, complete: bool) -> TaskRow:
    moved = services.background.start(_moved(services, task, effect, entry, complete=complete))
    try:
        await asyncio.shield(moved)
    except MoveRefused as refused:
        raise Conflict(f"the task has changed meanwhile: {refused}; look at it again", code="task_changed") from refused
    return await read_task(services, task.tenant, task.id)


async def _moved(services: Services, task: TaskRow, effect: Effect[None], entry: Entry, *, complete: bool) -> None:
    await patiently(services, effect, entry)
    if complete:
        services.metrics.task_ended(task.queue, task.mode, str(entry.facts["action"]), entry.at_ns - task.created_ns)
        services.background.start(resume(services, task.tenant, task.intent_id))


def _facts(task: TaskRow, reviewer: Subject, action: str, approval: ApprovalRow | None, *, complete: bool) -> Json:
    return {
        "task": task.id,
        "queue": task.queue,
        "by": reviewer.id,
        "name": reviewer.name,
        "roles": reviewer.roles,
        "action": action,
        "approval": None if approval is None else approval.id,
        "scope_sha256": None if approval is None else approval.scope_sha256,
        "policy_revision": task.policy_revision,
        "complete": complete,
    }


def _content(case: _Case) -> Json:
    """What a person wrote, as the record may have it."""
    content = _comment(case.services, case.task.tenant, case.decision)
    if case.decision.action in WRITES and case.draft is not None:
        shown = case.rehearsed.inspection.inspect_answer(case.draft.body, json=bool(case.rehearsed.plan.schemas)).for_record(_STRICTEST)
        content["answer"] = choices(shown)
    return content


def _comment(services: Services, tenant: str, decision: Decided) -> Json:
    if decision.comment is None:
        return {}
    return {"comment": services.redactors[tenant].inspect({}).redact(decision.comment, _STRICTEST, Destination.RECORD)}


def _entry(loaded: Loaded, facts: Json, content: Json, now_ns: int) -> Entry:
    row = loaded.row
    return Entry(tenant=row.tenant, intent_id=row.id, kind=DECIDED, at_ns=now_ns, facts=facts, content=orjson.dumps(content), expires_ns=row.record_expires_ns)
