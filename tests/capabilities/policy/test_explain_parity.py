"""The rules that an explanation says fired are those that real OPA's trace leaves with a value."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.contract import VERDICT_RULES, samples
from gateway.capabilities.policy.explain import Status, explain
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.rehearsal import Rehearsal
from gateway.domain import Hook, Json
from tests.servers.opa_server import opa_binary

EXAMPLES = Path(__file__).parents[3] / "policies"
MANY = 15

pytestmark = pytest.mark.services


def some_input(chance: random.Random) -> Json:
    """An input that the example rules say something about."""
    tools = [{"type": "function", "function": {"name": chance.choice(["look_up", "delete_account", "transfer_money"])}} for _ in range(chance.randrange(3))]
    signals: Json = chance.choice([{}, {"logprobs": 0.3}, {"agreement": 1.0, "repairs": 1}])
    return {
        "subject": {"tenant": chance.choice(["acme", "globex", "initech"]), "teams": chance.sample(["support", "research", "sales"], chance.randrange(4))},
        "request": {"route": chance.choice(["assistant", "assistant-large", "triage", "elsewhere"]), "tools": tools},
        "intent_verdict": {"outcome": chance.choice(["allow", "deny"])},
        "answer": {
            "schema_valid": chance.choice([True, False, None]),
            "confidence": chance.choice([None, 0.2, 0.5, 0.9]),
            "signals": signals,
        },
    }


FORMS = """\
package gateway.intent

import data.gateway.words

default verdict := {"outcome": "deny"}

verdict := {"outcome": "allow", "obligations": {"max_tokens": size, "labels": {"kind": kind}}} if { count(refused) == 0; words.known(kind) }

kind := "agent" if input.subject.kind == "agent" else := "team" if {
	some team in input.subject.teams
	words.known(team)
} else := "other"

refused contains sprintf("%v %v", [name, kind]) if {
	some tool in input.request.tools
	name := tool.function.name
	not words.known(name)
}

refused contains "stream" if input.request.stream

size := max([words.sizes[name] | some name in input.subject.teams; words.sizes[name] > 0])
"""
WORDS = """\
package gateway.words

known(word) if startswith(word, "s")

known(word) if word in {"team", "look_up"}

sizes[name] := count(name) if some name in ["support", "research"]

unused := 3
"""
ALLOW = 'package gateway.answer\n\nverdict := {"outcome": "allow"}\n'


def left_with_a_value(opa: str, folder: Path, hook: Hook, document: Json) -> set[tuple[str, int]]:
    """File and line of every rule that OPA's trace leaves."""
    arguments = [opa, "eval", "--data", str(folder), "--stdin-input", "--explain", "full", "--format", "json", VERDICT_RULES[hook]]
    told: dict[str, Any] = json.loads(subprocess.run(arguments, input=json.dumps(document).encode(), capture_output=True, check=True).stdout)
    events = [event for event in told["explanation"] if event["Op"] == "Exit" and isinstance(event["Node"], dict) and "head" in event["Node"]]
    return {(Path(event["Location"]["file"]).name, event["Location"]["row"]) for event in events}


@pytest.mark.parametrize("hook", Hook)
def test_the_rules_that_fired_are_those_that_opa_left_with_a_value(hook: Hook) -> None:
    opa, bundle = opa_binary(), load_bundle(EXAMPLES)
    rehearsal = Rehearsal(bundle, check(bundle), hook)
    chance = random.Random(20_261_122)
    for document in [dict(samples(hook)["usual"]), *(some_input(chance) for _ in range(MANY))]:
        fired = {(rule.file, rule.line) for rule in explain(rehearsal, document).of(Status.FIRED)}
        assert fired == left_with_a_value(opa, EXAMPLES, hook, document), document


def test_they_are_the_same_for_rules_of_every_form(tmp_path: Path) -> None:
    opa = opa_binary()
    for name, text in {"intent.rego": FORMS, "words.rego": WORDS, "answer.rego": ALLOW}.items():
        (tmp_path / name).write_text(text)
    bundle = load_bundle(tmp_path)
    rehearsal = Rehearsal(bundle, check(bundle), Hook.INTENT)
    chance = random.Random(20_261_123)
    outcomes = set()
    for _ in range(MANY):
        document = some_input(chance)
        document["subject"]["kind"] = chance.choice(["agent", "key"])
        document["request"]["stream"] = chance.choice([True, False, False])
        told = explain(rehearsal, document)
        outcomes.add(told.decision.verdict.outcome)
        assert {(rule.file, rule.line) for rule in told.of(Status.FIRED)} == left_with_a_value(opa, tmp_path, Hook.INTENT, document), document
    assert outcomes == {"allow", "deny"}
