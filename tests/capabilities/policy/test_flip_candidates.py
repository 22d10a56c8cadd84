"""Which changes are tried, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.contract_schemas import input_schema
from gateway.capabilities.policy.flip_candidates import candidates, fields
from gateway.capabilities.policy.input_paths import NOTHING, put, shown
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.rehearsal import Rehearsal
from gateway.domain import Hook

Write = Callable[..., Path]
EXAMPLES = Path(__file__).parents[3] / "policies"


def asking(folder: Path) -> Rehearsal:
    bundle = load_bundle(folder)
    return Rehearsal(bundle, check(bundle), Hook.INTENT)


def test_only_fields_that_rules_read_are_changed_missing_ones_too() -> None:
    document: Any = {"subject": {"id": "k", "tenant": "acme", "teams": ["a"]}, "request": {"route": "r", "tools": [{"function": {"name": "f"}}]}}
    found = {shown(field.path) for field in fields(input_schema(Hook.INTENT), document, asking(EXAMPLES).reads)}
    assert found >= {"subject.tenant", "subject.teams", "subject.teams[0]", "request.route", "request.tools[0].function.name"}
    assert not found & {"subject.id", "schema", "hook", "findings"}
    assert "request.tools" in {shown(field.path) for field in fields(input_schema(Hook.INTENT), {}, asking(EXAMPLES).reads)}


def test_the_smallest_come_first_and_every_one_can_be_put(write: Write) -> None:
    rules = (
        'input.request.stream; input.request.tokens_estimate < 5; "t" in input.subject.teams; input.request.route == "r"; input.subject.on_behalf_of == null'
    )
    folder = write({"intent.rego": f'package gateway.intent\n\nverdict := {{"outcome": "allow"}} if {{ {rules} }}\n'})
    document: Any = {"request": {"stream": False, "tokens_estimate": 9, "route": "x"}, "subject": {"teams": ["u"], "on_behalf_of": "y"}}
    found = list(candidates(asking(folder), document))
    assert [one.kind for one in found] == sorted(one.kind for one in found)
    assert [one.new for one in found[:4]] == [True, 6, 5, 4]
    assert found[4].new is NOTHING
    assert found[-1].new is None
    assert all(put(document, one.path, one.new) != document for one in found)
    assert list(candidates(asking(folder), document)) == found


def test_constants_of_the_rule_that_looks_come_before_those_of_others_and_of_data() -> None:
    document: Any = {"subject": {"tenant": "acme", "teams": ["support"]}, "request": {"route": "assistant", "tools": [{"function": {"name": "f"}}]}}
    found = [one for one in candidates(asking(EXAMPLES), document) if shown(one.path) == "request.route" and isinstance(one.new, str)]
    assert [one.tier for one in found] == sorted(one.tier for one in found)
    assert {"assistant-large", "triage"} <= {one.new for one in found if one.tier == 2}


def test_many_fields_and_values_are_bounded() -> None:
    document: Any = {"request": {"tools": [{"function": {"name": f"t{at}"}} for at in range(5_000)]}}
    found = list(candidates(asking(EXAMPLES), document))
    assert len({one.path for one in found}) <= 4_100
