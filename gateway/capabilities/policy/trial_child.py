"""The child process of a trial: compiles a policy and evaluates rules, and may be killed at any moment.

Run by path with ``python -I -S``, so that it starts in milliseconds: it imports the engine's border file by its path and nothing else of the gateway.
Arguments: the folder of the engine's package, the path of the border file. Standard input: ``{"modules", "data", "cases": [{"name", "rule", "input"}],
"memory_bytes", "cpu_s"}``. Standard output, a line of JSON for each step as it is done: ``{"ast": [...]}`` or ``{"fault": {...}}``, then
``{"case", "value" | "undefined" | "fault", "prints", "seconds"}`` for each case.
"""

import importlib.util
import json
import resource
import sys
import time


def main() -> None:
    """Read the order, limit this process, do it."""
    packages, border = sys.argv[1:3]
    order = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (order["cpu_s"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path.append(packages)
    spec = importlib.util.spec_from_file_location("policy_engine_embedded", border)
    border_module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # the path is that of a file of this package
    spec.loader.exec_module(border_module)  # type: ignore[union-attr]
    engine = border_module.EmbeddedEngine(order["modules"], order["data"])
    try:
        say({"ast": engine.ast()})
    except border_module.EngineError as fault:
        say({"fault": told(fault)})
        return
    for case in order["cases"]:
        say({"case": case["name"], **evaluate(border_module, engine, case)})


def evaluate(border_module: object, engine: object, case: dict) -> dict:  # type: ignore[type-arg]
    """What one case comes to."""
    started = time.perf_counter()
    outcome: dict[str, object] = {}
    try:
        value = engine.evaluate(case["rule"], case["input"])  # type: ignore[attr-defined]
        outcome = {"undefined": True} if value is border_module.UNDEFINED else {"value": value}  # type: ignore[attr-defined]
    except border_module.EngineError as fault:  # type: ignore[attr-defined]
        outcome = {"fault": told(fault)}
    return {**outcome, "seconds": time.perf_counter() - started, "prints": engine.take_prints()}  # type: ignore[attr-defined]


def told(fault: object) -> dict[str, object]:
    """A fault as JSON."""
    return {name: getattr(fault, name) for name in ("kind", "detail", "file", "line", "col")}


def say(step: dict[str, object]) -> None:
    """Tell the parent at once: if this process is killed, what was said stands."""
    sys.stdout.write(json.dumps(step) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
