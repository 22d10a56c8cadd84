"""The contract's table of what can be referred to."""

from __future__ import annotations

import pytest

from gateway.capabilities.policy.contract import EXTREMES, FIELDS, JUDGEMENTS, VERDICT_RULES, VOLATILE, covers, samples
from gateway.capabilities.policy.contract_schemas import input_schema
from gateway.domain import Hook


@pytest.mark.parametrize("hook", list(Hook))
def test_samples_hold_nothing_that_the_contract_lacks(hook: Hook) -> None:
    for sample in samples(hook).values():
        assert sample.keys() <= FIELDS.keys()
        for section, fields in FIELDS.items():
            assert fields is None or sample.get(section, {}).keys() <= fields


def test_answers_are_tried_with_and_without_a_judgement_and_from_the_gateway_itself() -> None:
    answers = {name: sample["answer"] for name, sample in samples(Hook.ANSWER).items() if name not in EXTREMES}
    assert samples(Hook.ANSWER).keys() > EXTREMES
    assert answers["usual"]["confidence"] is None
    assert 0 < answers["assessed"]["confidence"] < 1
    assert answers["assessed"]["signals"]
    assert {answer["schema_valid"] for answer in answers.values()} == {None, False, True}
    assert {answer["source"] for answer in answers.values()} == {"model", "gateway", "person"}


@pytest.mark.parametrize("hook", list(Hook))
def test_policies_are_tried_with_and_without_what_people_decided(hook: Hook) -> None:
    found = {name: sample.get("approvals", []) for name, sample in samples(hook).items()}
    assert found["usual"] == []
    assert [approval["hook"] for approval in found["approved"]] == [hook]
    assert len({approval["by"] for approval in found["large"]}) == 20


def test_what_is_volatile_exists() -> None:
    for section, *field in (*VOLATILE, *JUDGEMENTS):
        fields = FIELDS[section]
        assert not field or (fields is not None and field[0] in fields)


def test_a_path_covers_itself_and_what_is_below() -> None:
    assert covers((), ("a", "b"))
    assert covers(("a",), ("a", "b"))
    assert not covers(("a", "b"), ("a",))
    assert VERDICT_RULES[Hook.INTENT] == "data.gateway.intent.verdict"


@pytest.mark.parametrize("hook", list(Hook))
def test_the_schemas_say_nothing_that_the_table_lacks(hook: Hook) -> None:
    for name, section in input_schema(hook)["properties"].items():
        fields = FIELDS[name]
        assert fields is None or section["properties"].keys() <= fields
