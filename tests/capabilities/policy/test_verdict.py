"""Strict parsing of verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.verdict import VerdictError, parse
from gateway.domain import SECRET, Destination, Obligations, Reason, Verdict
from gateway.domain_tasks import ApprovalTerms, Mode

FULL = {
    "outcome": "allow",
    "reasons": [{"rule": "a", "message": "b"}],
    "obligations": {
        "reveal": {"model": ["EMAIL_ADDRESS", "*"], "caller": [], "record": [], "person": ["*"]},
        "allow_unscanned": True,
        "routes": ["assistant", "triage/primary"],
        "max_tokens": 512,
        "require_schema": "invoice",
        "allow_invalid": True,
        "retention_days": 30,
        "labels": {"team": "support"},
    },
}
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | st.sampled_from(["allow", "deny", "model", "SECRET", "*"])
)
words = st.sampled_from(["outcome", "reasons", "obligations", "reveal", "model", "labels", "max_tokens", "rule", "message", "approval"]) | st.text(max_size=5)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4), max_leaves=12)


def test_every_obligation_of_this_build_is_read() -> None:
    verdict = parse(FULL)
    assert verdict.outcome == "allow"
    assert verdict.reasons == (Reason("a", "b"),)
    obligations = verdict.obligations
    assert obligations.max_tokens == 512
    assert obligations.retention_days == 30
    assert obligations.routes == ("assistant", "triage/primary")
    assert obligations.require_schema == "invoice"
    assert obligations.allow_invalid is True
    assert obligations.allow_unscanned is True
    assert obligations.labels == {"team": "support"}
    assert obligations.reveals(Destination.MODEL, "EMAIL_ADDRESS")
    assert not obligations.reveals(Destination.MODEL, SECRET)
    assert not obligations.reveals(Destination.CALLER, "EMAIL_ADDRESS")


def test_no_obligations_are_the_strictest() -> None:
    assert parse({"outcome": "allow"}).obligations == Obligations()


def fault_or_verdict(value: Any) -> str | Verdict:
    try:
        return parse(value)
    except VerdictError as error:
        return error.rule


@given(anything)
def test_whatever_is_said_is_a_verdict_or_a_fault_with_its_rule(value: Any) -> None:
    read = fault_or_verdict(value)
    if isinstance(read, str):
        assert read in {"policy.malformed", "policy.unsupported"}
    else:
        assert read.outcome == "allow" or (read.outcome in {"deny", "escalate"} and read.reasons)
        assert read.obligations.approval is None or read.outcome == "escalate"


OBLIGATIONS = ["reveal", "allow_unscanned", "routes", "max_tokens", "require_schema", "allow_invalid", "retention_days", "labels"]


@given(st.sampled_from(OBLIGATIONS), anything)
def test_an_allowed_obligation_has_its_type(name: str, value: Any) -> None:
    read = fault_or_verdict({"outcome": "allow", "obligations": {name: value}})
    if isinstance(read, str):
        assert read == "policy.malformed"
    else:
        obligations = read.obligations
        assert obligations.max_tokens is None or (type(obligations.max_tokens) is int and obligations.max_tokens > 0)
        assert not any(SECRET in granted for granted in obligations.reveal.values())
        assert all(isinstance(label, str) for label in obligations.labels.values())
        assert isinstance(obligations.allow_invalid, bool)
        assert obligations.require_schema is None or obligations.require_schema


TERMS: dict[str, Any] = {
    "mode": "review",
    "queue": "treasury-2",
    "min_approvers": 2,
    "distinct_from": ["reviewers", "requester"],
    "expires_in_s": 3_600,
    "on_expiry": "queue:directors",
}


def escalation(approval: Any) -> Any:
    return {"outcome": "escalate", "reasons": [{"rule": "a", "message": "b"}], "obligations": {"approval": approval, "reveal": {"person": ["*"]}}}


def test_what_is_left_to_a_person_keeps_its_terms_and_obligations() -> None:
    verdict = parse(escalation(TERMS))
    assert verdict.outcome == "escalate"
    assert verdict.reasons == (Reason("a", "b"),)
    assert verdict.obligations.reveals(Destination.PERSON, "EMAIL_ADDRESS")
    assert verdict.obligations.approval == ApprovalTerms(
        mode=Mode.REVIEW,
        queue="treasury-2",
        min_approvers=2,
        distinct_from=("requester", "reviewers"),
        expires_in_s=3_600,
        on_expiry="queue:directors",
    )


def test_terms_that_are_left_out_are_for_the_queue_to_say() -> None:
    assert parse(escalation({})).obligations.approval == ApprovalTerms()
    assert parse({"outcome": "escalate"}).obligations.approval is None


def test_an_escalation_without_a_reason_says_that_it_has_none() -> None:
    assert [reason.rule for reason in parse({"outcome": "escalate"}).reasons] == ["policy.escalated"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "approve"), ("mode", "answer"), ("min_approvers", 1), ("min_approvers", 10), ("expires_in_s", 1), ("expires_in_s", 31_536_000),
        ("on_expiry", "refuse"), ("on_expiry", "release"), ("distinct_from", []), ("skills", []), ("queue", "a.b_c-9"),
    ],
)  # fmt: skip
def test_every_value_of_the_terms_is_read(name: str, value: Any) -> None:
    terms = parse(escalation({name: value})).obligations.approval
    assert terms is not None
    read = () if name == "skills" else getattr(terms, name)
    assert read == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "approved"), ("mode", None), ("mode", ["approve"]), ("mode", {}), ("queue", ""), ("queue", "Treasury"), ("queue", "a/b"), ("queue", "a\n"),
        ("queue", "a" * 64), ("queue", None), ("min_approvers", 0), ("min_approvers", 11), ("min_approvers", True), ("min_approvers", 2.0),
        ("distinct_from", "requester"),
        ("distinct_from", ["requester", "requester", "reviewers"]), ("distinct_from", ["somebody"]), ("distinct_from", [{}]), ("expires_in_s", 0),
        ("expires_in_s", 31_536_001), ("expires_in_s", "60"), ("on_expiry", "allow"), ("on_expiry", "queue:"), ("on_expiry", "queue:a b"), ("on_expiry", None),
        ("on_expiry", ["refuse"]), ("skills", "law"), ("skills", [1]), ("roles", ["treasurer"]), ("jane@example.com", 1),
    ],
)  # fmt: skip
def test_terms_that_the_contract_does_not_know_are_malformed_and_not_quoted(name: str, value: Any) -> None:
    with pytest.raises(VerdictError) as caught:
        parse(escalation({name: value}))
    assert caught.value.rule == "policy.malformed"
    assert "jane" not in caught.value.message


@pytest.mark.parametrize("approval", [None, [], "approve", 1])
def test_terms_that_are_no_object_are_malformed(approval: Any) -> None:
    with pytest.raises(VerdictError) as caught:
        parse(escalation(approval))
    assert caught.value.rule == "policy.malformed"


@pytest.mark.parametrize("outcome", ["allow", "deny"])
def test_terms_belong_to_an_escalation_alone(outcome: str) -> None:
    with pytest.raises(VerdictError) as caught:
        parse({"outcome": outcome, "obligations": {"approval": {}}})
    assert caught.value.rule == "policy.malformed"


@pytest.mark.parametrize("value", [{"outcome": "escalate", "obligations": {"sources": []}}, escalation({"skills": ["law"]})])
def test_what_this_build_cannot_do_is_unsupported_also_where_a_person_is_asked(value: Any) -> None:
    with pytest.raises(VerdictError) as caught:
        parse(value)
    assert caught.value.rule == "policy.unsupported"


@given(st.dictionaries(st.sampled_from([*TERMS, "skills"]), anything | st.integers(-1, 12) | st.lists(st.sampled_from(["requester", "reviewers"]))))
def test_terms_are_read_whole_or_not_at_all(terms: dict[str, Any]) -> None:
    read = fault_or_verdict(escalation(terms))
    if not isinstance(read, str):
        approval = read.obligations.approval
        assert approval is not None
        assert 1 <= approval.min_approvers <= 10
        assert all(terms[name] == getattr(approval, name) for name in terms.keys() - {"distinct_from", "skills"})


@pytest.mark.parametrize("routes", [[], ["assistant"], ["assistant/primary"], ["a", "b/c"]])
def test_routes_and_their_targets_are_granted_by_name(routes: list[str]) -> None:
    assert parse({"outcome": "allow", "obligations": {"routes": routes}}).obligations.routes == tuple(routes)


@pytest.mark.parametrize("route", ["", "/", "a/", "/a", "a/b/c", "a//b"])
def test_a_grant_that_names_no_route_or_target_is_malformed(route: str) -> None:
    with pytest.raises(VerdictError) as caught:
        parse({"outcome": "allow", "obligations": {"routes": [route]}})
    assert caught.value.rule == "policy.malformed"


def test_a_fault_quotes_nothing_of_the_verdict() -> None:
    with pytest.raises(VerdictError) as caught:
        parse({"outcome": "jane@example.com", "jane": "jane@example.com"})
    assert "jane" not in caught.value.message
