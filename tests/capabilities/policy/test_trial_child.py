"""The child process stands on nothing of the gateway but the engine's border file."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from gateway.capabilities.policy import trial_child
from gateway.infrastructure import policy_engine_embedded

ORDER = {
    "modules": {"a.rego": "package a\n\nimport rego.v1\n\nv := input.x\n"},
    "data": "{}",
    "cases": [{"name": "c", "rule": "data.a.v", "input": '{"x": 1}'}],
    "memory_bytes": 1 << 30,
    "cpu_s": 10,
}


def packages() -> str:
    spec = find_spec("regorus")
    assert spec is not None
    return str(Path(str(spec.origin)).parent.parent)


def test_it_speaks_a_line_of_json_for_each_step() -> None:
    command = [sys.executable, "-I", "-S", str(trial_child.__file__), packages(), str(policy_engine_embedded.__file__)]
    done = subprocess.run(command, input=json.dumps(ORDER), capture_output=True, text=True, check=True)
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["ast"][0]["source"]["file"] == "a.rego"
    assert (second["case"], second["value"], second["prints"]) == ("c", 1, [])


def test_it_imports_nothing_heavy() -> None:
    code = f"import sys; sys.path.append({packages()!r}); import runpy; runpy.run_path({str(policy_engine_embedded.__file__)!r}); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert not {"gateway", "asyncio", "orjson", "pydantic", "yaml", "logging"} & {name.split(".")[0].strip("'[] ") for name in done.stdout.split(",")}
