from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.approvals import (
    EXPIRED,
    FORGED,
    KEY_REVOKED,
    REVOKED,
    SCOPE,
    USED,
    Hold,
    Rejected,
    Scope,
    approval_input,
    call_sha256,
    canonical,
    grant,
    hold_sha256,
    scope_sha256,
    standing,
)
from gateway.capabilities.payloads import PayloadKeys
from gateway.domain import Subject
from gateway.domain_tasks import EXPIRY, Action, Approval, Mode
from gateway.errors import PayloadUnavailable
from gateway.infrastructure.database_tasks import ApprovalRow

NOW = 1_790_000_000_000_000_000
FIRST, SECOND = b"first secret of a tenant, 32 byte", b"second secret of a tenant, 32 by"
KEYS = PayloadKeys({"acme": [FIRST], "globex": [FIRST]})
BOB = Subject(id="kbob", kind="key", tenant="acme", name="Bob", roles=("reviewer",), teams=("risk", "ops"))
EVE = Subject(id="keve", kind="key", tenant="acme", name="Eve", roles=("reviewer", "manager"))
CALL = call_sha256("kann", "chat", {"model": "payments"})


def hold(**changed: Any) -> Hold:
    facts: dict[str, Any] = {
        "tenant": "acme",
        "intent_id": "int_1",
        "task_id": "tsk_1",
        "hook": "intent",
        "mode": Mode.APPROVE,
        "scope_sha256": scope_sha256(CALL, None),
        "hold_sha256": hold_sha256("intent", "approvals", "approve", ["payments.needs_person"]),
        "policy_revision": "r1",
        "expires_ns": NOW + 3_600_000_000_000,
    }
    return Hold(**{**facts, **changed})


def granted(by: Subject = BOB, *, at_ns: int = NOW - 1_000, action: Action = Action.ACCEPT, keys: PayloadKeys = KEYS, **changed: Any) -> ApprovalRow:
    return grant(keys, hold(**changed), by=by, action=action, at_ns=at_ns)


def scope(**changed: Any) -> Scope:
    facts: dict[str, Any] = {"tenant": "acme", "intent_id": "int_1", "now": {"intent": scope_sha256(CALL, None)}, "task_id": "tsk_1"}
    return Scope(**{**facts, **changed})


def looked_at(
    *rows: ApprovalRow, at: Scope | None = None, now_ns: int = NOW, active: Callable[[str], bool] = {"kbob", "keve"}.__contains__, keys: PayloadKeys = KEYS
) -> tuple[tuple[Approval, ...], tuple[Rejected, ...]]:
    return standing(keys, rows, at or scope(), now_ns=now_ns, active=active)


def whys(*rows: ApprovalRow, **how: Any) -> list[str]:
    return [rejected.why for rejected in looked_at(*rows, **how)[1]]


def test_an_approval_stands_for_the_call_that_it_was_given_for() -> None:
    row = granted()
    stands, rejected = looked_at(row)
    assert rejected == ()
    assert stands == (
        Approval(
            id=row.id,
            hook="intent",
            by="kbob",
            name="Bob",
            roles=("reviewer",),
            teams=("risk", "ops"),
            mode=Mode.APPROVE,
            action=Action.ACCEPT,
            at_ns=NOW - 1_000,
            scope_sha256=scope_sha256(CALL, None),
            hold_sha256=hold().hold_sha256,
            policy_revision="r1",
            expires_ns=NOW + 3_600_000_000_000,
        ),
    )
    assert row.id.startswith("apr_")
    assert (row.used_ns, row.revoked_ns) == (None, None)


def test_policy_sees_it_with_times_in_rfc_3339() -> None:
    ((approval,), _) = looked_at(granted(at_ns=1_700_000_000_000_000_000, expires_ns=NOW + 1))
    seen = approval_input(approval)
    assert seen == json.loads(json.dumps(seen))
    assert seen == {
        "id": approval.id,
        "hook": "intent",
        "by": "kbob",
        "name": "Bob",
        "roles": ["reviewer"],
        "teams": ["risk", "ops"],
        "mode": "approve",
        "action": "accept",
        "at": "2023-11-14T22:13:20Z",
        "scope_sha256": scope_sha256(CALL, None),
        "policy_revision": "r1",
        "expires_at": "2026-09-21T14:13:20.000000001Z",
    }


OTHER: dict[str, Any] = {
    "tenant": "globex", "id": "apr_other", "intent_id": "int_2", "task_id": "tsk_2", "hook": "answer", "by": "keve", "name": "Eve", "roles": '["manager"]',
    "teams": "[]", "mode": "review", "action": "edit", "at_ns": NOW - 999, "scope_sha256": "0" * 64, "hold_sha256": "0" * 64, "policy_revision": "r2",
    "expires_ns": NOW + 10**18, "key_id": "0" * 16, "mac": bytes(32),
}  # fmt: skip


@pytest.mark.parametrize("column", [name for name in ApprovalRow._fields if name not in {"used_ns", "revoked_ns"}])
def test_an_approval_of_which_any_column_was_changed_is_forged(column: str) -> None:
    row = granted()._replace(**{column: OTHER[column]})
    places = [scope(), scope(tenant="globex"), scope(intent_id="int_2")]
    assert [looked_at(row, at=place)[0] for place in places] == [()] * 3
    assert [whys(row, at=place) for place in places] == [[FORGED]] * 3


def test_every_flipped_byte_of_a_mac_is_noticed() -> None:
    row = granted()
    flipped = [row._replace(mac=row.mac[:at] + bytes([row.mac[at] ^ 1 << at % 8]) + row.mac[at + 1 :]) for at in range(32)]
    assert whys(*flipped, row._replace(mac=row.mac[:-1]), row._replace(mac=b"")) == [FORGED] * 34


def test_an_approval_is_nothing_to_another_intent_or_tenant_though_they_share_a_secret() -> None:
    row = granted()
    assert whys(row, at=scope(intent_id="int_2")) == [FORGED]
    assert whys(row, at=scope(tenant="globex")) == [FORGED]


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (REVOKED, {"revoked_ns": NOW - 1}, {}),
    (USED, {"used_ns": NOW - 1}, {}),
    (USED, {"used_ns": NOW - 1}, {"at": scope(task_id=None)}),
    (EXPIRED, {}, {"now_ns": NOW + 3_600_000_000_000}),
    (SCOPE, {}, {"at": scope(now={"intent": scope_sha256(call_sha256("kann", "chat", {"model": "payments", "n": 2}), None)})}),
    (SCOPE, {}, {"at": scope(now={"intent": scope_sha256(CALL, {"choices": []})})}),
    (SCOPE, {}, {"at": scope(now={"answer": scope_sha256(CALL, None)})}),
    (SCOPE, {}, {"at": scope(now={})}),
    (KEY_REVOKED, {}, {"active": lambda key_id: key_id != "kbob"}),
]


@pytest.mark.parametrize(("why", "changed", "how"), CASES)
def test_an_approval_that_does_not_stand_says_why(why: str, changed: dict[str, Any], how: dict[str, Any]) -> None:
    row = granted()._replace(**changed)
    stands, rejected = looked_at(row, **how)
    assert (stands, rejected) == ((), (Rejected(row.id, why),))


def test_it_stands_until_the_very_last_nanosecond() -> None:
    assert len(looked_at(granted(), now_ns=NOW + 3_600_000_000_000 - 1)[0]) == 1


def test_what_an_earlier_task_of_the_intent_approved_stands_again_though_it_was_used() -> None:
    earlier = granted(at_ns=NOW - 2_000)._replace(used_ns=NOW - 500)
    draft = scope_sha256(CALL, {"choices": []})
    now = granted(EVE, task_id="tsk_2", hook="answer", mode=Mode.REVIEW, scope_sha256=draft)
    both = scope(now={"intent": scope_sha256(CALL, None), "answer": draft}, task_id="tsk_2")
    assert [approval.by for approval in looked_at(earlier, now, at=both)[0]] == ["kbob", "keve"]
    assert whys(earlier, now._replace(used_ns=NOW - 1), at=both) == [USED]


def test_one_person_who_approves_twice_counts_once_and_the_last_word_counts() -> None:
    first, last, other = granted(at_ns=NOW - 3), granted(at_ns=NOW - 1, action=Action.EDIT), granted(EVE, at_ns=NOW - 2)
    for rows in ((first, last, other), (other, last, first)):
        stands, rejected = looked_at(*rows)
        assert [(each.by, each.action) for each in stands] == [("keve", Action.ACCEPT), ("kbob", Action.EDIT)]
        assert rejected == ()


@pytest.mark.parametrize(("name", "persons"), [("Bob", 1), ("BOB", 1), ("Bobby", 2), ("", 2)])
def test_a_person_with_two_keys_is_one_person_by_name(name: str, persons: int) -> None:
    second = granted(Subject(id="kbob2", kind="key", tenant="acme", name=name), at_ns=NOW - 1)
    stands, _ = looked_at(granted(), second, active=lambda _: True)
    assert len(stands) == persons
    assert stands[-1].by == "kbob2"


def test_two_keys_without_a_name_are_two_persons() -> None:
    rows = [granted(Subject(id=key_id, kind="key", tenant="acme")) for key_id in ("k1", "k2")]
    assert len(looked_at(*rows, active=lambda _: True)[0]) == 2


def test_one_person_counts_for_each_hold() -> None:
    other = granted(hold_sha256=hold_sha256("intent", "approvals", "approve", ["payments.large"]))
    assert len(looked_at(granted(), other)[0]) == 2


def test_what_was_withdrawn_leaves_what_the_person_had_said_before() -> None:
    stays, withdrawn = granted(at_ns=NOW - 2), granted(at_ns=NOW - 1)._replace(revoked_ns=NOW)
    stands, rejected = looked_at(stays, withdrawn)
    assert [each.id for each in stands] == [stays.id]
    assert rejected == (Rejected(withdrawn.id, REVOKED),)


def test_a_release_by_expiry_needs_nobodys_key() -> None:
    row = granted(Subject(id=EXPIRY, kind="gateway", tenant="acme"))
    assert [each.by for each in looked_at(row, active=lambda _: False)[0]] == [EXPIRY]


def test_an_older_key_still_proves_and_a_removed_one_does_not() -> None:
    row = granted(keys=PayloadKeys({"acme": [FIRST]}))
    assert len(looked_at(row, keys=PayloadKeys({"acme": [SECOND, FIRST]}))[0]) == 1
    assert whys(row, keys=PayloadKeys({"acme": [SECOND]})) == [FORGED]
    assert whys(row, keys=PayloadKeys({})) == [FORGED]


def test_nothing_is_granted_without_a_key_or_by_another_tenants_person() -> None:
    with pytest.raises(PayloadUnavailable, match=r"tenants\.acme\.payload_key"):
        granted(keys=PayloadKeys({}))
    with pytest.raises(ValueError, match="within a tenant"):
        granted(Subject(id="kzoe", kind="key", tenant="globex"))


def test_what_is_not_json_in_a_row_is_not_even_read_before_its_mac() -> None:
    assert whys(granted()._replace(roles="not json", mode="no mode", action="no action")) == [FORGED]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.text(max_size=4), JSON, max_size=4)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(BODIES)
def test_the_canonical_form_says_everything_and_no_order_of_keys(body: dict[str, Any]) -> None:
    assert canonical(shuffled(body)) == canonical(body)
    assert json.loads(canonical(body).decode("utf-8", "surrogatepass")) == body


@given(BODIES, BODIES)
def test_two_calls_are_one_only_if_they_are_written_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    alike = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (call_sha256("kann", "chat", one) == call_sha256("kann", "chat", other)) is alike
    assert (scope_sha256(CALL, one) == scope_sha256(CALL, other)) is alike
    assert scope_sha256(CALL, one) != scope_sha256(CALL, None)


@pytest.mark.parametrize("other", [("kbob", "chat", {"n": 1}), ("kann", "embeddings", {"n": 1}), ("kann", "chat", {"n": 1.0}), ("kann", "chat", {"n": True})])
def test_who_calls_what_and_where_are_all_part_of_a_call(other: tuple[str, str, dict[str, Any]]) -> None:
    assert call_sha256(*other) != call_sha256("kann", "chat", {"n": 1})


def test_a_hold_is_the_same_in_whatever_order_its_rules_fired() -> None:
    assert hold_sha256("intent", "q", "approve", ["b", "a", "b"]) == hold_sha256("intent", "q", "approve", ["a", "b"])
    kinds = {hold_sha256(*each) for each in [("intent", "q", "approve", ["a"]), ("answer", "q", "approve", ["a"]), ("intent", "r", "approve", ["a"])]}
    assert len(kinds | {hold_sha256("intent", "q", "answer", ["a"]), hold_sha256("intent", "q", "approve", [])}) == 5


@given(st.data())
def test_whatever_stands_was_granted_for_exactly_this_and_the_rest_is_told(data: st.DataObject) -> None:
    """Random approvals, some changed in a random column, looked at for one intent: only the good ones stand, each person once for a hold."""
    rows: list[ApprovalRow] = []
    good: dict[str, str] = {}
    bad: set[str] = set()
    for index in range(data.draw(st.integers(0, 6))):
        row = granted(data.draw(st.sampled_from([BOB, EVE])), at_ns=NOW - 100 + index)
        changed = row
        if (column := data.draw(st.sampled_from([None, *ApprovalRow._fields]))) is not None:
            changed = row._replace(**{column: OTHER.get(column, NOW - 1)})
        if changed == row:  # what it was changed to can be what it was
            good[row.by] = row.id
        else:
            bad.add(changed.id)
        rows.append(changed)
    stands, rejected = looked_at(*data.draw(st.permutations(rows)))
    assert {each.id for each in stands} == set(good.values())
    assert {each.id for each in rejected} == bad
