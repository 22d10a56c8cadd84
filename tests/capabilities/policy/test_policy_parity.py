"""The example policies decide alike in the embedded engine and in real OPA."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.contract import VERDICT_RULES, samples
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EmbeddedEngine, EngineError
from tests.servers.opa_server import opa_binary

EXAMPLES = Path(__file__).parents[3] / "policies"
MANY = 400

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def opa() -> str:
    return opa_binary()


def some_value(chance: random.Random) -> Any:
    return chance.choice([None, True, 0, 1, "", "assistant", "allow", [], ["support"], {}, {"name": "delete_account"}])


def some_input(chance: random.Random) -> dict[str, Any]:
    """An input that the rules say something about, with a part missing or of the wrong type now and then."""
    tools = [{"type": "function", "function": {"name": chance.choice(["look_up", "delete_account", "transfer_money", ""])}} for _ in range(chance.randrange(3))]
    parts: dict[str, dict[str, Any]] = {
        "subject": {
            "tenant": chance.choice(["acme", "globex", "initech"]),
            "teams": chance.sample(["support", "research", "sales"], chance.randrange(4)),
        },
        "request": {"route": chance.choice(["assistant", "assistant-large", "openai", "triage", "triage", "triage", "payments", "elsewhere"]), "tools": tools},
        "intent_verdict": {"outcome": chance.choice(["allow", "deny"])},
        "answer": {
            "schema_valid": chance.choice([True, False, None, None]),
            "confidence": chance.choice([None, 0, 1, round(chance.random(), 4), round(chance.random(), 4)]),
            "signals": chance.choice([{}, {"logprobs": 0.3}, {"agreement": 1.0, "repairs": 1, "truncated": True}]),
        },
    }
    for section in list(parts):
        if chance.random() < 0.05:
            del parts[section]
            continue
        for name in list(parts[section]):
            if chance.random() < 0.1:
                parts[section][name] = some_value(chance)
            elif chance.random() < 0.05:
                del parts[section][name]
    return parts | {"approvals": some_approvals(chance)}


def some_approvals(chance: random.Random) -> Any:
    if chance.random() < 0.05:
        return some_value(chance)
    people = chance.sample(["key_2", "key_3", "gateway.expiry"], chance.choice([0, 0, 1, 2]))
    return [{"hook": chance.choice(["intent", "answer"]), "by": person, "mode": "approve", "action": "accept"} for person in people]


def canonical(value: Any) -> Any:
    """Rego's sets have no order; each engine writes them as arrays in one of its own."""
    if isinstance(value, dict):
        return {name: canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted((canonical(item) for item in value), key=json.dumps)
    return value


def evaluated(engine: EmbeddedEngine, rule: str, case: Any) -> list[Any] | None:
    """The verdict as a list of none or one; ``None`` where a value of the wrong type is an error (a refusal), of which OPA makes no more than undefined."""
    try:
        value = engine.evaluate(rule, json.dumps(case))
    except EngineError:
        return None
    return [] if value is UNDEFINED else [value]


@pytest.mark.parametrize("hook", list(Hook))
def test_the_example_policies_give_the_same_verdicts(opa: str, hook: Hook, tmp_path: Path) -> None:
    chance = random.Random(7)
    inputs = [*samples(hook).values(), {}, *(some_input(chance) for _ in range(MANY))]
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"inputs": inputs}))
    rule = VERDICT_RULES[hook]
    query = f"[verdict | some case in input.inputs; found := {{v | v := {rule} with input as case}}; verdict := [v | some v in found]]"
    command = [opa, "eval", "--format", "json", "--data", str(EXAMPLES), "--input", str(file), query]
    said = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    theirs = said["result"][0]["expressions"][0]["value"]

    bundle = load_bundle(EXAMPLES)
    engine = EmbeddedEngine(bundle.modules, bundle.data_json)
    ours = [evaluated(engine, rule, case) for case in inputs]
    both = [(mine, their) for mine, their in zip(ours, theirs, strict=True) if mine is not None]
    assert [canonical(mine) for mine, _ in both] == [canonical(their) for _, their in both]
    assert {verdict[0]["outcome"] for verdict, _ in both} == {"allow", "deny", "escalate"}
    assert len(both) > MANY * 0.8


@pytest.mark.parametrize("arguments", [("fmt", "--fail", "--list"), ("check", "--strict"), ("test",)])
def test_opa_finds_the_examples_formatted_strict_and_passing(opa: str, arguments: tuple[str, ...]) -> None:
    done = subprocess.run([opa, *arguments, str(EXAMPLES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
