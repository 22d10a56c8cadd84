"""What the lint accepts means the same to both engines."""

from __future__ import annotations

import copy
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.contract import samples
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EmbeddedEngine, EngineError
from tests.capabilities.policy.good_policies import GOOD, HEAD
from tests.servers.opa_server import opa_binary

MANY = 80
TABLES = {"tables": {"acme": {"routes": ["assistant"]}, "x": {"y": True}}}
ODD = [None, True, False, 0, 1, -7, 0.5, 3_000_000, "", "assistant", "IBAN_CODE", "US_SSN", "restricted", "x", [], ["x"], {}, {"x": 1}, "ümlaut \u0663"]

pytestmark = pytest.mark.services


def changed(value: Any, chance: random.Random) -> Any:
    """A value with parts missing, doubled, or of another type now and then."""
    if chance.random() < 0.08:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {name: changed(item, chance) for name, item in value.items() if chance.random() > 0.05}
    if isinstance(value, list):
        return [changed(item, chance) for item in value if chance.random() > 0.2] * chance.choice([1, 1, 2])
    return value


def test_good_policies_decide_alike_in_both_engines(tmp_path: Path) -> None:
    opa = opa_binary()
    chance = random.Random(11)
    usual = samples(Hook.INTENT)["usual"]
    inputs = [copy.deepcopy(usual), *(changed(usual, chance) for _ in range(MANY))]
    head = HEAD.partition("package ")[2].partition("\n")[2]
    modules = {f"good{number}.rego": f"package good{number}\n{head}{rego}\n" for number, rego in enumerate(GOOD.values())}
    for name, text in modules.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "data.json").write_text(json.dumps(TABLES))
    (tmp_path / "cases.txt").write_text(json.dumps({"inputs": inputs}))
    parts = ", ".join(f"[found | some case in input.inputs; found := [v | v := data.good{number}.verdict with input as case]]" for number in range(len(GOOD)))
    command = [opa, "eval", "--format", "json", "--data", str(tmp_path), "--input", str(tmp_path / "cases.txt"), f"[{parts}]"]
    said = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    theirs = said["result"][0]["expressions"][0]["value"]
    engine = EmbeddedEngine(modules, json.dumps(TABLES))
    seen = set()
    for number, name in enumerate(GOOD):
        for case, their in zip(inputs, theirs[number], strict=True):
            try:
                value = engine.evaluate(f"data.good{number}.verdict", json.dumps(case))
            except EngineError:  # a value of the wrong type: a refusal here, undefined in OPA
                continue
            assert ([] if value is UNDEFINED else [value]) == their, (name, case)
            seen.add(name)
    assert seen == GOOD.keys()
