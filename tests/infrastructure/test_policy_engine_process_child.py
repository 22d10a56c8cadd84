"""The child process stands on nothing of the gateway but the engine's border file, and answers line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from gateway.infrastructure import policy_engine_embedded, policy_engine_process_child

ORDER = {"modules": {"a.rego": "package a\n\nimport rego.v1\n\nv := input.x\n\nw := print(input.x)\n"}, "data": "{}", "memory_bytes": 1 << 30}


def told(*lines: object) -> list[dict[str, object]]:
    spec = find_spec("regorus")
    assert spec is not None
    packages = str(Path(str(spec.origin)).parent.parent)
    command = [sys.executable, "-I", "-S", str(policy_engine_process_child.__file__), packages, str(policy_engine_embedded.__file__)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_question_has_one_line_of_answer() -> None:
    asked = [{"rule": rule, "input": text, "max_chars": 1_000} for rule, text in [("data.a.v", '{"x": "é\\n"}'), ("data.a.v", "{}"), ("data.a.v", "{")]]
    first, second, third = told(ORDER, *asked)
    assert (first, second) == ({"value": "é\n"}, {"undefined": True})
    assert third == {"fault": {"kind": "error", "file": "", "line": 0, "col": 0}}


def test_what_a_policy_prints_goes_nowhere() -> None:
    assert told(ORDER, {"rule": "data.a.w", "input": '{"x": "secret"}', "max_chars": 1_000}) == [{"value": True}]


def test_it_ends_quietly_when_nobody_asks() -> None:
    assert told() == []
    assert told(ORDER) == []
