"""Strict parsing of verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.verdict import VerdictError, parse
from gateway.domain import SECRET, Destination, Obligations, Reason, Verdict

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
        assert read.outcome == "allow" or (read.outcome == "deny" and read.reasons)


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


@pytest.mark.parametrize("approval", [None, {}, {"mode": "review", "queue": "a"}])
def test_an_approval_is_refused_until_there_are_people(approval: Any) -> None:
    with pytest.raises(VerdictError) as caught:
        parse({"outcome": "allow", "obligations": {"approval": approval}})
    assert caught.value.rule == "policy.unsupported"
    assert parse({"outcome": "escalate", "obligations": {"approval": approval}}).reasons[0].rule == "no queue"


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
