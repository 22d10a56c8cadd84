"""Approvals: what a person has decided in favour of one exact call, authenticated, and which of them stand when the call goes on.

An approval is a row with a MAC under its tenant's key over everything in it but when it was used or revoked. It stands for one intent and, by the hook
that held it, for one exact call and draft (``scope_sha256``): a call that is not the same byte for byte in its canonical form needs another one.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.capabilities.decision_log.events import timestamp
from gateway.capabilities.payloads import PayloadKeys
from gateway.domain import Json, Subject
from gateway.domain_tasks import EXPIRY, Action, Approval, Mode, is_same_name
from gateway.infrastructure.database_tasks import ApprovalRow

FORGED, REVOKED, USED, EXPIRED, SCOPE, KEY_REVOKED = "forged", "revoked", "used", "expired", "scope", "key_revoked"
"""Why an approval does not stand, in the order in which it is looked at."""

_SCHEMA: Final = "gateway.approval/v1"
_UNPROVEN: Final = frozenset({"key_id", "mac", "used_ns", "revoked_ns"})
"""Columns outside the MAC: what it is made of, and what happens to an approval later. A changed ``key_id`` finds another key, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What is being approved: the intent, the task that asks for it, and what both stand for."""

    tenant: str
    intent_id: str
    task_id: str
    hook: str
    mode: Mode
    scope_sha256: str
    hold_sha256: str
    policy_revision: str
    expires_ns: int
    """When the approval ends."""


class Scope(NamedTuple):
    """What approvals are looked at for: one intent, and what it is now."""

    tenant: str
    intent_id: str
    now: Mapping[str, str]
    """Hook -> ``scope_sha256`` as it is now. What was approved at another hook does not stand."""
    task_id: str | None = None
    """The task that the intent goes on from. What was approved in an earlier task of the same intent, and used, stands as it did then, whatever its end, its
    draft and its person's key: policy asks for it again whenever the intent goes on. An approval of this task may not have been used. ``None``: none may."""

    def is_earlier(self, row: ApprovalRow) -> bool:
        """Whether an approval was used when an earlier task of the intent was done."""
        return row.used_ns is not None and self.task_id not in {None, row.task_id}


class Rejected(NamedTuple):
    """An approval that does not stand."""

    id: str
    why: str
    """``FORGED``, ``REVOKED``, ``USED``, ``EXPIRED``, ``SCOPE`` or ``KEY_REVOKED``."""


def canonical(value: Json) -> bytes:
    """The one canonical form of a JSON object: keys sorted, no spaces, UTF-8. ``1`` and ``1.0`` differ, as they do for a provider."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def call_sha256(subject: str, surface: str, body: Json) -> str:
    """What a call is: who makes it, where, and its whole body."""
    return _digest("gateway.call/v1", {"subject": subject, "surface": surface, "body": body})


def scope_sha256(call_sha256: str, draft: Json | None) -> str:
    """What an approval is bound to: a call and, where a draft was judged, that draft."""
    return _digest("gateway.scope/v1", {"call": call_sha256, "draft": draft})


def hold_sha256(hook: str, queue: str, mode: str, rules: Sequence[str]) -> str:
    """What held an intent; the order of the rules is nothing."""
    return _digest("gateway.hold/v1", {"hook": hook, "queue": queue, "mode": mode, "rules": sorted(set(rules))})


def grant(keys: PayloadKeys, hold: Hold, *, by: Subject, action: Action, at_ns: int) -> ApprovalRow:
    """A new approval, not stored yet. ``by`` is the person, or has the id ``EXPIRY`` where a task expired that policy releases then.

    Raises:
        PayloadUnavailable: The tenant has no key.
        ValueError: The person is of another tenant.
    """
    if by.tenant != hold.tenant:
        raise ValueError("an approval is given within a tenant")
    row = ApprovalRow(
        tenant=hold.tenant,
        id=f"apr_{at_ns // 1_000_000:012x}{secrets.token_hex(8)}",
        intent_id=hold.intent_id,
        task_id=hold.task_id,
        hook=hold.hook,
        by=by.id,
        name=by.name,
        roles=json.dumps(by.roles),
        teams=json.dumps(by.teams),
        mode=hold.mode.value,
        action=action.value,
        at_ns=at_ns,
        scope_sha256=hold.scope_sha256,
        hold_sha256=hold.hold_sha256,
        policy_revision=hold.policy_revision,
        expires_ns=hold.expires_ns,
        key_id="",
        mac=b"",
        used_ns=None,
        revoked_ns=None,
    )
    key_id, mac = keys.mac(hold.tenant, _proven(row))
    return row._replace(key_id=key_id, mac=mac)


def standing(
    keys: PayloadKeys, rows: Iterable[ApprovalRow], scope: Scope, *, now_ns: int, active: Callable[[str], bool]
) -> tuple[tuple[Approval, ...], tuple[Rejected, ...]]:
    """The approvals among ``rows`` that stand, oldest first, and those that do not.

    Args:
        keys: The tenants' keys.
        rows: What is stored for the intent, in any order.
        scope: What they are looked at for.
        now_ns: Now.
        active: Whether the key of this id still is good, and may review.

    Of several approvals of one person for one hold only the last counts: the others are in neither list. Two keys of one name are one person's.
    """
    good: list[Approval] = []
    rejected: list[Rejected] = []
    for row in sorted(rows, key=lambda row: (row.at_ns, row.id)):
        why = _against(keys, row, scope, now_ns) or (KEY_REVOKED if row.by != EXPIRY and not active(row.by) else None)
        if why is not None:
            rejected.append(Rejected(row.id, why))
            continue
        approval = _approval(row)
        good = [one for one in good if not _said_again(one, approval)]
        good.append(approval)
    return tuple(good), tuple(rejected)


def approval_input(approval: Approval) -> Json:
    """An approval as policy sees it; times are RFC 3339 in UTC."""
    return {
        "id": approval.id,
        "hook": approval.hook,
        "by": approval.by,
        "name": approval.name,
        "roles": list(approval.roles),
        "teams": list(approval.teams),
        "mode": approval.mode.value,
        "action": approval.action.value,
        "at": timestamp(approval.at_ns),
        "scope_sha256": approval.scope_sha256,
        "policy_revision": approval.policy_revision,
        "expires_at": timestamp(approval.expires_ns),
    }


def _against(keys: PayloadKeys, row: ApprovalRow, scope: Scope, now_ns: int) -> str | None:
    """What in the row itself is against it. Nothing of a row is believed before its MAC."""
    here = row.tenant == scope.tenant and row.intent_id == scope.intent_id
    if not here or not keys.is_mac(scope.tenant, row.key_id, _proven(row), row.mac):
        return FORGED
    if row.revoked_ns is not None:
        return REVOKED
    if scope.is_earlier(row):
        return None
    if row.used_ns is not None:
        return USED
    if row.expires_ns <= now_ns:
        return EXPIRED
    return None if scope.now.get(row.hook) == row.scope_sha256 else SCOPE


def _said_again(earlier: Approval, later: Approval) -> bool:
    """Whether one person has approved one hold twice."""
    hold = earlier.hook == later.hook and earlier.hold_sha256 == later.hold_sha256
    return hold and (earlier.by == later.by or is_same_name(earlier.name, later.name))


def _proven(row: ApprovalRow) -> bytes:
    """What the MAC is over: every other column by its name, tenant and intent among them."""
    columns = {name: value for name, value in row._asdict().items() if name not in _UNPROVEN}
    return canonical({"schema": _SCHEMA, "approval": columns})


def _approval(row: ApprovalRow) -> Approval:
    return Approval(
        id=row.id,
        hook=row.hook,
        by=row.by,
        name=row.name,
        roles=tuple(json.loads(row.roles)),
        teams=tuple(json.loads(row.teams)),
        mode=Mode(row.mode),
        action=Action(row.action),
        at_ns=row.at_ns,
        scope_sha256=row.scope_sha256,
        hold_sha256=row.hold_sha256,
        policy_revision=row.policy_revision,
        expires_ns=row.expires_ns,
    )


def _digest(schema: str, value: Json) -> str:
    return hashlib.sha256(canonical({"schema": schema, **value})).hexdigest()
