"""Runs the tests of a policy in OPA itself, by ``opa test``, on the very files that were read."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.capabilities.policy.author_tests import DEFAULT_LIMIT_S, AuthorTest, TestReport, coverage_of
from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.infrastructure.opa_command import OpaCommandError, Said, run_opa


def report_tests_by_opa(bundle: Bundle, *, run: str = "", coverage: bool = False, limit_s: float = DEFAULT_LIMIT_S) -> TestReport:
    """Have ``opa`` run the tests of ``bundle`` whose name the regular expression ``run`` finds.

    Raises:
        PolicyError: There is no ``opa``, the modules or tests do not compile, or the time did not suffice.
    """
    files = {**bundle.modules, **bundle.tests, "data.json": bundle.data_json}
    arguments = ["test", ".", "--format", "json", "--timeout", f"{limit_s:g}s", *(["--run", run] if run else [])]
    tests = _read(_run(arguments, files, limit_s))
    lines = _lines(_read(_run([*arguments, "--coverage"], files, limit_s))["files"]) if coverage else {}
    return TestReport(
        engine="opa",
        revision=bundle.revision,
        tests=tuple(_outcome(test) for test in sorted(tests, key=_place) if not test.get("skip")),
        coverage=coverage_of(bundle, lines) if coverage else None,
    )


def _run(arguments: list[str], files: Mapping[str, str], limit_s: float) -> Said:
    try:
        return run_opa(arguments, files, limit_s=limit_s)
    except OpaCommandError as error:
        raise PolicyError([Problem("opa", 0, 0, str(error))]) from None


def _read(said: Said) -> Any:
    """What ``opa`` said. It prints nothing to read where something does not compile, and ``null`` or nothing where there is no test."""
    told = _decoded(said.out)
    if told is None and said.status == 0:
        return []
    if told is None or (isinstance(told, dict) and "errors" in told):
        lines = [line.strip() for line in (said.err or said.out).splitlines()]
        raise PolicyError([Problem("opa", 0, 0, f"opa test failed: {'; '.join(filter(None, lines[:5])) or 'it said nothing'}", "correct the Rego")])
    return told


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _place(test: Mapping[str, Any]) -> tuple[str, int]:
    return str(test["location"]["file"]), int(test["location"]["row"])


def _outcome(test: Mapping[str, Any]) -> AuthorTest:
    file, line = _place(test)
    why = ""
    if "error" in test:
        error = test["error"]
        why = str(error.get("message", error) if isinstance(error, dict) else error)
    elif test.get("fail"):
        why = "a condition does not hold"
    prints = base64.b64decode(test.get("output", "")).decode(errors="replace").splitlines()
    name = f"{test['package']}.{test['name']}"
    return AuthorTest(name=name, file=file, line=line, passed=not why, why=why, prints=tuple(prints), seconds=test.get("duration", 0) / 1e9)


def _lines(files: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[list[int], list[int]]]:
    found: dict[str, tuple[list[int], list[int]]] = {}
    for name, told in files.items():
        covered = _rows(told.get("covered", ()))
        found[name] = (sorted(covered), sorted(_rows(told.get("not_covered", ())) - covered))
    return found


def _rows(ranges: Iterable[Mapping[str, Any]]) -> set[int]:
    return {row for part in ranges for row in range(part["start"]["row"], part["end"]["row"] + 1)}
