from __future__ import annotations

from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.records.entries import encode_facts
from gateway.domain import Reason, State, Subject

SUBJECT = {"id": "k", "kind": "key", "tenant": "t", "name": "", "teams": [], "roles": [], "routes": []}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda leaf: st.lists(leaf) | st.dictionaries(st.text(), leaf), max_leaves=20
)


@given(st.dictionaries(st.text(), JSON))
def test_facts_come_back_as_they_were(facts: dict[str, Any]) -> None:
    assert orjson.loads(encode_facts(facts)) == facts


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2))
def test_the_order_of_keys_does_not_matter(facts: dict[str, Any]) -> None:
    assert encode_facts(facts) == encode_facts(dict(reversed(facts.items())))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"state": State.FAILED}, {"state": "failed"}),
        ({"teams": ("a", "b")}, {"teams": ["a", "b"]}),
        ({"reveal": frozenset({"b", "a"})}, {"reveal": ["a", "b"]}),
        ({"usage": MappingProxyType({"a": 1})}, {"usage": {"a": 1}}),
        ({"reason": Reason("rule", "message")}, {"reason": ["rule", "message"]}),
        ({"subject": Subject(id="k", kind="key", tenant="t\ud800")}, {"subject": {**SUBJECT, "tenant": "t?"}}),
        ({"subject": Subject(id="k", kind="key", tenant="t")}, {"subject": SUBJECT}),
        ({"raw": b"\x01"}, {"raw": "01"}),
        ({"text": "a\ud800b", "more": ["\udfff"]}, {"text": "a?b", "more": ["?"]}),
        ({"\ud800": {1: "x"}}, {"?": {"1": "x"}}),
        ({"odd": object}, {"odd": "<class 'object'>"}),
    ],
)
def test_what_is_not_quite_json_is_recorded_all_the_same(facts: dict[str, Any], expected: dict[str, Any]) -> None:
    assert orjson.loads(encode_facts(facts)) == expected
