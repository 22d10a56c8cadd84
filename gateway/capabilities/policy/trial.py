"""A policy is compiled and evaluated for the first time in a process that can be killed: the embedded engine itself has no limit of time or memory."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from gateway.capabilities.policy.problems import Problem
from gateway.infrastructure import policy_engine_embedded

MEMORY_BYTES: Final = 1 << 30
"""Address space of the child: Python and the engine take about 50 MB."""
_CHILD: Final = Path(__file__).with_name("trial_child.py")
_BORDER: Final = policy_engine_embedded.__file__


class Case(NamedTuple):
    """A rule to evaluate, and the input (JSON) to evaluate it for."""

    name: str
    rule: str
    input: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a trial brought to light."""

    ast: Sequence[Mapping[str, Any]] | None
    """The parsed modules, ``None`` if they did not compile in time."""
    cases: Mapping[str, Mapping[str, Any]]
    """What each case came to: ``value``, ``undefined`` or ``fault``, with ``seconds`` and ``prints``; a case that was not finished is missing."""
    coverage: Mapping[str, tuple[Sequence[int], Sequence[int]]]
    """By file, the lines that all cases together evaluated, and those that none did; empty where it was not asked for."""
    problems: tuple[Problem, ...]
    """Why the policy must not go live: it does not compile, ran too long, took too much memory or crashed the engine."""


class Trial:
    """One trial. ``run`` blocks (call it in a thread); ``cancel`` ends it early from another thread."""

    def __init__(
        self, modules: Mapping[str, str], data: str, cases: Sequence[Case], *, limit_s: float, memory_bytes: int = MEMORY_BYTES, coverage: bool = False
    ) -> None:
        """Prepare a trial of ``modules`` (Rego by file name) with ``data`` (JSON) that may take ``limit_s`` seconds in all."""
        self._limit_s = limit_s
        self._cases = cases
        self._memory_bytes = memory_bytes
        self._order = orjson.dumps(
            {
                "modules": modules,
                "data": data,
                "cases": [case._asdict() for case in cases],
                "memory_bytes": memory_bytes,
                "cpu_s": math.ceil(limit_s) + 1,
                "coverage": coverage,
            }
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def run(self) -> Result:
        """Start the child, wait for it, kill it at the limit."""
        with subprocess.Popen(_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}) as process:  # noqa: S603 - our own interpreter and file
            self._process = process
            if self._cancelled:
                process.kill()
            late = False
            try:
                said, _ = process.communicate(self._order, timeout=self._limit_s)
            except subprocess.TimeoutExpired:
                late = True
                process.kill()
                said, _ = process.communicate()
        return self._read(said, late=late, status=process.returncode)

    def cancel(self) -> None:
        """Kill the child if it runs."""
        self._cancelled = True
        if self._process is not None:
            self._process.kill()

    def _read(self, said: bytes, *, late: bool, status: int) -> Result:
        lines = [line for line in said.split(b"\n")[:-1] if line]
        try:
            steps: list[dict[str, Any]] = [orjson.loads(line) for line in lines]
        except orjson.JSONDecodeError:  # the parsed modules are nested deeper than it reads
            return Result(ast=None, cases={}, coverage={}, problems=(Problem("policy", 0, 0, "an expression is nested too deep", "give its parts names"),))
        first = steps[0] if steps else {}
        cases = {step["case"]: step for step in steps[1:] if "case" in step}
        coverage: dict[str, Any] = next((step["coverage"] for step in steps[1:] if "coverage" in step), {})
        problems = []
        if "fault" in first:
            fault = first["fault"]
            problems.append(Problem(fault["file"] or "policy", fault["line"], fault["col"], f"does not compile: {fault['detail']}", "correct the Rego"))
        elif len(cases) < len(self._cases) or "ast" not in first:
            problems.append(Problem("policy", 0, 0, f"the trial failed {self._at(first, cases)}: {self._why(late, status)}", "make the rule cheaper"))
        return Result(ast=first.get("ast"), cases=cases, coverage=coverage, problems=tuple(problems))

    def _at(self, first: Mapping[str, Any], cases: Mapping[str, Any]) -> str:
        if "ast" not in first:
            return "while compiling"
        return f"while evaluating {next(case.name for case in self._cases if case.name not in cases)}"

    def _why(self, late: bool, status: int) -> str:
        if self._cancelled:
            return "it was cancelled"
        if late or status == -signal.SIGXCPU:
            return f"it took longer than {self._limit_s:g} s"
        return f"its process ended with status {status}, for a policy that needs more than {self._memory_bytes >> 20} MB among others"


def _command() -> list[str]:
    spec = find_spec("regorus")
    packages = Path(str(spec.origin)).parent.parent if spec else Path()
    return [sys.executable, "-I", "-S", "-X", "utf8", str(_CHILD), str(packages), str(_BORDER)]
