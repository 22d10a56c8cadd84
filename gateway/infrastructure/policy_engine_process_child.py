"""The child process of ``policy_engine_process``: one embedded engine, asked line by line until nobody is there to ask.

Run by path with ``python -I -S``; it imports the engine's border file by its path and nothing else of the gateway. Arguments: the folder of the engine's
package, the path of the border file. It reads a line of JSON with ``{"modules", "data", "memory_bytes"}`` and then one for each question, ``{"rule",
"input", "max_chars"}``; it answers each question with a line: ``{"value"}``, ``{"undefined": true}`` or ``{"fault": {"kind", "file", "line", "col"}}``.
"""

import importlib.util
import json
import os
import resource
import sys
from typing import Any

_NICE = 10
"""The lowest priority but one step: whoever shares a processor with this process goes first."""


def main() -> None:
    """Read the order, limit this process, answer."""
    packages, border = sys.argv[1:3]
    order = json.loads(sys.stdin.readline() or "{}")
    if not order:
        return
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path.append(packages)
    spec = importlib.util.spec_from_file_location("policy_engine_embedded", border)
    assert spec is not None  # noqa: S101 - it is a file of this package
    assert spec.loader is not None  # noqa: S101 - as above
    loaded: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    engine = loaded.EmbeddedEngine(order["modules"], order["data"])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(loaded, engine, json.loads(line))) + "\n")
        sys.stdout.flush()


def answer(border: Any, engine: Any, question: dict[str, Any]) -> dict[str, Any]:
    """What one question comes to. What ``print`` said goes nowhere: it can quote the input."""
    try:
        value = engine.evaluate(question["rule"], question["input"], max_chars=question["max_chars"])
        engine.take_prints()
    except border.EngineError as fault:
        return {"fault": {name: getattr(fault, name) for name in ("kind", "file", "line", "col")}}
    return {"undefined": True} if value is border.UNDEFINED else {"value": value}


if __name__ == "__main__":
    main()
