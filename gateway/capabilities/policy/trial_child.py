"""The child process of a trial: compiles a policy and evaluates rules, and may be killed at any moment.

Run by path with ``python -I -S``, so that it starts in milliseconds: it imports the engine's border file by its path and nothing else of the gateway.
Arguments: the folder of the engine's package, the path of the border file. Standard input: ``{"modules", "data", "cases": [{"name", "rule", "input"}],
"memory_bytes", "cpu_s", "coverage"}``. Standard output, a line of JSON for each step as it is done: ``{"ast": [...]}`` or ``{"fault": {...}}``, then
``{"case", "value" | "undefined" | "fault", "prints", "seconds"}`` for each case, and if it is asked for, ``{"coverage": {FILE: [evaluated, not evaluated]}}``.
"""

import importlib.util
import json
import resource
import sys
import time
from typing import Any


def main() -> None:
    """Read the order, limit this process, do it."""
    packages, border = sys.argv[1:3]
    order = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (order["cpu_s"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path.append(packages)
    spec = importlib.util.spec_from_file_location("policy_engine_embedded", border)
    assert spec is not None  # noqa: S101 - it is a file of this package
    assert spec.loader is not None  # noqa: S101 - as above
    loaded: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    engine = loaded.EmbeddedEngine(order["modules"], order["data"], coverage=order.get("coverage", False))
    try:
        say({"ast": engine.ast()})
    except loaded.EngineError as fault:
        say({"fault": told(fault)})
        return
    for case in order["cases"]:
        say({"case": case["name"], **evaluate(loaded, engine, case)})
    if order.get("coverage"):
        say({"coverage": engine.take_coverage()})


def evaluate(border: Any, engine: Any, case: dict[str, str]) -> dict[str, Any]:
    """What one case comes to."""
    started = time.perf_counter()
    outcome: dict[str, Any] = {}
    try:
        value = engine.evaluate(case["rule"], case["input"])
        outcome = {"undefined": True} if value is border.UNDEFINED else {"value": value}
    except border.EngineError as fault:
        outcome = {"fault": told(fault)}
    return {**outcome, "seconds": time.perf_counter() - started, "prints": engine.take_prints()}


def told(fault: Any) -> dict[str, Any]:
    """A fault as JSON."""
    return {name: getattr(fault, name) for name in ("kind", "detail", "file", "line", "col")}


def say(step: dict[str, Any]) -> None:
    """Tell the parent at once: if this process is killed, what was said stands."""
    sys.stdout.write(json.dumps(step) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
