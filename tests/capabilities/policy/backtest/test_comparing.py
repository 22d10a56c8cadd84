from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.backtest.comparing import KINDS, changes, kind_of
from gateway.capabilities.policy.backtest.names import COMPUTED, Names
from gateway.capabilities.policy.backtest.recorded import Said
from gateway.capabilities.policy.verdict import obligation_facts
from gateway.domain import Destination, Obligations

NAMES = Names(['"EMAIL_ADDRESS" "PHONE_NUMBER"'])
NOTHING = obligation_facts(Obligations())
HIDDEN = "<EMAIL_ADDRESS_BCDFGHJKLMNPQRST>"


def said(outcome: str, *rules: str, gateway: str | None = None) -> Said:
    return Said(outcome=outcome, rules=rules, obligations={}, gateway=gateway)


@pytest.mark.parametrize(
    ("before", "after", "changed", "kind"),
    [
        (said("allow"), said("allow"), (), "unchanged"),
        (said("allow"), said("allow"), ("routes changed",), "changed_obligations"),
        (said("allow"), said("deny", "a"), (), "newly_denied"),
        (said("escalate", "a"), said("deny", "a"), (), "newly_denied"),
        (said("deny", "a"), said("allow"), (), "newly_allowed"),
        (said("escalate", "a"), said("allow"), (), "newly_allowed"),
        (said("allow"), said("escalate", "a"), (), "newly_escalated"),
        (said("deny", "a"), said("escalate", "a"), (), "newly_escalated"),
        (said("deny", "a", "b"), said("deny", "b", "a"), (), "unchanged"),
        (said("deny", "a", "b"), said("deny", "a"), (), "changed_reasons"),
        (said("deny", f"rule of {HIDDEN}"), said("deny", "rule of john.roe@example.com"), (), "unchanged"),
        (said("allow", gateway="policy.route"), said("allow", gateway="policy.route"), (), "refused_by_gateway"),
        (said("allow", gateway="policy.route"), said("allow"), (), "newly_allowed"),
        (said("allow"), said("allow", gateway="policy.route"), (), "newly_denied"),
        (said("allow", gateway="policy.route"), said("deny", "a"), (), "changed_reasons"),
        (said("deny", "policy.route"), said("allow", gateway="policy.route"), (), "refused_by_gateway"),
        (said("escalate", "a"), said("escalate", "a"), (), "unchanged"),
        (said("escalate", "a"), said("escalate", "b"), (), "changed_reasons"),
        (said("escalate", "a"), said("escalate", "a"), ("approval.queue changed",), "changed_obligations"),
        (said("escalate", "a"), said("escalate", "a", gateway="no queue"), (), "refused_by_gateway"),
        (said("escalate", "a", gateway="no queue"), said("escalate", "a"), (), "unchanged"),
        (said("allow"), said("escalate", "a", gateway="no queue"), (), "newly_escalated"),
        (said("escalate", "a"), said("escalate", "a", gateway="policy.unsupported"), (), "newly_denied"),
    ],
)
def test_every_pair_of_verdicts_is_one_kind(before: Said, after: Said, changed: tuple[str, ...], kind: str) -> None:
    assert kind_of(before, after, changed) == kind
    assert kind in KINDS


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, ()),
        ({"reveal": {}}, {"reveal": {"model": ["EMAIL_ADDRESS"]}}, ("reveal.model +EMAIL_ADDRESS",)),
        ({"reveal": {"caller": ["*", "PHONE_NUMBER"]}}, {"reveal": {"caller": ["PHONE_NUMBER"]}}, ("reveal.caller -*",)),
        ({"reveal": {"caller": ["JOHN_ROE"]}}, {}, (f"reveal.caller -{COMPUTED}",)),
        ({"max_tokens": 5}, {"max_tokens": 4}, ("max_tokens lowered",)),
        ({"max_tokens": 5}, {"max_tokens": 6}, ("max_tokens raised",)),
        ({}, {"max_tokens": 6, "retention_days": 2}, ("max_tokens set", "retention_days set")),
        ({"retention_days": 2}, {}, ("retention_days dropped",)),
        ({"routes": ["a"]}, {"routes": None}, ("routes changed",)),
        ({"approval": {"queue": "a", "mode": None}}, {"approval": {"queue": "b", "mode": None}}, ("approval.queue changed",)),
        ({}, {"approval": {"queue": "b", "mode": None}}, ("approval.queue changed",)),
        (
            {},
            {"allow_unscanned": True, "require_schema": "x", "allow_invalid": True},
            ("allow_invalid changed", "allow_unscanned changed", "require_schema changed"),
        ),
        ({"labels": {"team": "a"}}, {"labels": {"team": "b"}}, ("labels changed",)),
        ({"labels": {"team": "a"}}, {}, ("labels changed",)),
        ({"labels": {"who": HIDDEN}}, {"labels": {"who": "john.roe@example.com"}}, ()),
        ({"labels": {"who": HIDDEN, "team": "a"}}, {"labels": {"who": "x", "team": "b"}}, ("labels changed",)),
        ({"labels": {HIDDEN: "a"}}, {"labels": {"john.roe@example.com": "a"}}, ()),
    ],
)
def test_obligations_that_differ_are_named_without_their_values(before: dict[str, Any], after: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert changes({**NOTHING, **before}, {**NOTHING, **after}, NAMES) == expected


@given(
    st.builds(
        Obligations,
        reveal=st.dictionaries(st.sampled_from(Destination), st.frozensets(st.sampled_from(["*", "EMAIL_ADDRESS"]))),
        routes=st.none() | st.lists(st.sampled_from("ab")).map(tuple),
        max_tokens=st.none() | st.integers(1, 9),
        labels=st.dictionaries(st.text(), st.text()),
    )
)
def test_obligations_do_not_differ_from_themselves(obligations: Obligations) -> None:
    assert changes(obligation_facts(obligations), obligation_facts(obligations), NAMES) == ()
