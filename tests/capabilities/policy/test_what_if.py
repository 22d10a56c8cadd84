"""What a changed input would be decided as."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.input_paths import NOTHING, PathError, put
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.rehearsal import Rehearsal
from gateway.capabilities.policy.what_if import Change, assigned, flip
from gateway.domain import Hook, Json

EXAMPLES = Path(__file__).parents[3] / "policies"
Write = Callable[..., Path]
SUPPORT = {"tenant": "acme", "teams": ["support"]}


def rehearsal(folder: Path, hook: Hook = Hook.INTENT) -> Rehearsal:
    bundle = load_bundle(folder)
    return Rehearsal(bundle, check(bundle), hook)


def policy(text: str) -> dict[str, str]:
    return {"intent.rego": f'package gateway.intent\n\ndefault verdict := {{"outcome": "deny"}}\n\nverdict := {{"outcome": "allow"}} if {text}\n'}


def test_assignments_change_the_input_in_their_order() -> None:
    parts, changes = assigned(Hook.INTENT, {"request": {"route": "a"}}, ["request.route=b", "subject.teams[0]=support", "request.route=c"])
    assert parts == {"request": {"route": "c"}, "subject": {"teams": ["support"]}}
    assert [(change.old, change.new) for change in changes] == [("a", "b"), (NOTHING, "support"), ("b", "c")]
    assert changes[1].as_json() == {"path": "subject.teams[0]", "to": "support"}


@pytest.mark.parametrize(
    ("condition", "roles"),
    [
        ('input.approvals[_].hook == "intent"', ["reviewer"]),
        ('some approval in input.approvals; approval.by != "key_1"; approval.mode == "approve"', ["reviewer"]),
        ('some approval in input.approvals; approval.hook == "intent"; "treasurer" in approval.roles', ["treasurer"]),
    ],
)
def test_what_a_person_has_to_approve_is_flipped_by_a_whole_approval(write: Write, condition: str, roles: list[str]) -> None:
    text = f'package gateway.intent\n\ndefault verdict := {{"outcome": "escalate"}}\n\nverdict := {{"outcome": "allow"}} if {{ {condition} }}\n'
    folder = write({"intent.rego": text, "answer.rego": text.replace("gateway.intent", "gateway.answer")})
    found = flip(rehearsal(folder), {"approvals": []})
    assert found.change is not None
    assert (found.change.path, found.change.old, found.change.new["roles"]) == (("approvals", 0), NOTHING, roles)
    assert found.decision is not None
    assert found.decision.verdict.outcome == "allow"
    back = flip(rehearsal(folder), {"approvals": [found.change.new]})
    assert back.change is not None
    assert (back.change.path, back.change.new) == (("approvals", 0), NOTHING)


@pytest.mark.parametrize("text", ["request.route", "request.route assistant", "request.stream=maybe", "request.rout=x", "subject.teams[4]=x"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        assigned(Hook.INTENT, {}, [text])


@pytest.mark.parametrize(
    ("condition", "document", "path", "old", "new"),
    [
        ("input.request.stream == true", {"request": {"stream": False}}, ("request", "stream"), False, True),
        ("input.request.tokens_estimate < 1000", {"request": {"tokens_estimate": 5_000}}, ("request", "tokens_estimate"), 5_000, 999),
        ("input.request.tokens_estimate <= 1000", {"request": {"tokens_estimate": 5_000}}, ("request", "tokens_estimate"), 5_000, 1_000),
        (
            'not "blocked" in object.get(input, ["subject", "roles"], [])',
            {"subject": {"roles": ["user", "blocked"]}},
            ("subject", "roles", 1),
            "blocked",
            NOTHING,
        ),
        ('"admin" in input.subject.roles', {"subject": {"roles": ["user"]}}, ("subject", "roles", 1), NOTHING, "admin"),
        ('input.request.route == "triage"', {"request": {"route": "other"}}, ("request", "route"), "other", "triage"),
        ("input.subject.on_behalf_of == null", {"subject": {"on_behalf_of": "x"}}, ("subject", "on_behalf_of"), "x", None),
        ('input.subject.kind == "agent"', {"subject": {"kind": "key"}}, ("subject", "kind"), "key", "agent"),
        ("input.request.params.n == 1", {"request": {}}, ("request", "params", "n"), NOTHING, 1),
        ('input.findings[_].category == "IBAN_CODE"', {"findings": []}, ("findings", 0), NOTHING, {"category": "IBAN_CODE"}),
    ],
)
def test_the_smallest_change_is_found(write: Write, condition: str, document: Json, path: tuple[Any, ...], old: Any, new: Any) -> None:
    found = flip(rehearsal(write(policy(condition))), document)
    assert found.change == Change(path, old, new)
    assert found.decision is not None
    assert found.decision.verdict.outcome == "allow"
    assert found.tried == found.known > 0


def test_a_flag_is_smaller_than_a_text_and_a_near_number_than_a_far_one(write: Write) -> None:
    folder = write(policy("good") | {"more.rego": "package gateway.more\n\nx := 1\n"})
    text = (folder / "intent.rego").read_text()
    (folder / "intent.rego").write_text(
        text + '\ngood if input.request.route == "x"\n\ngood if input.request.tokens_estimate == 10\n\ngood if input.request.tokens_estimate == 900\n'
    )
    assert flip(rehearsal(folder), {"request": {"route": "y", "tokens_estimate": 800}}).change == Change(("request", "tokens_estimate"), 800, 900)
    (folder / "intent.rego").write_text((folder / "intent.rego").read_text() + "\ngood if input.request.stream\n")
    assert flip(rehearsal(folder), {"request": {"route": "y", "tokens_estimate": 800, "stream": False}}).change == Change(("request", "stream"), False, True)


def test_where_no_single_change_is_enough_that_is_said_with_the_number_of_tries() -> None:
    found = flip(rehearsal(EXAMPLES), {})
    assert found.change is None
    assert found.as_json() == {"change": None, "tried": found.tried, "of": found.known}
    assert found.tried > 100


@pytest.mark.parametrize("hook", Hook)
def test_every_flip_holds_when_it_is_evaluated_and_is_found_again(hook: Hook) -> None:
    chance, found = random.Random(7), 0
    asking = rehearsal(EXAMPLES, hook)
    live = Policy(asking.bundle, asking.program, memo_entries=0)
    for _ in range(8):
        parts: Json = {
            "subject": {"tenant": chance.choice(["acme", "globex"]), "teams": chance.sample(["support", "research", "sales"], 1)},
            "request": {"route": chance.choice(["assistant", "assistant-large", "triage"])},
            "intent_verdict": {"outcome": chance.choice(["allow", "deny"])},
            "answer": {"schema_valid": chance.choice([True, False, None]), "confidence": chance.choice([None, 0.2, 0.9])},
        }
        told = flip(asking, parts)
        assert flip(asking, parts) == told or told.decision is not None
        assert flip(asking, parts).change == told.change
        if told.change is not None and told.decision is not None:
            found += 1
            changed = live.decide(hook, put(parts, told.change.path, told.change.new)).verdict
            assert changed.outcome == told.decision.verdict.outcome != live.decide(hook, parts).verdict.outcome
    assert found > 4


def test_of_a_large_input_fewer_changes_are_tried() -> None:
    tools = [{"function": {"name": "x" * 1_000_000}}]
    found = flip(rehearsal(EXAMPLES), {"subject": SUPPORT, "request": {"route": "assistant-large", "tools": tools}})
    assert found.tried < found.known
    assert found.tried <= 34
