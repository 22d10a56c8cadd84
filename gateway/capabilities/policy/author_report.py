"""A run of the author's tests for people, programs and CI: coverage as a table, JSON, JUnit's XML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gateway.capabilities.policy.author_tests import AuthorTest, FileCoverage, TestReport, percent

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TOTAL = "all"


def as_json(report: TestReport) -> dict[str, Any]:
    """The report for programs."""
    told: dict[str, Any] = {
        "engine": report.engine,
        "revision": report.revision,
        "passed": len(report.tests) - report.failed,
        "failed": report.failed,
        "seconds": sum(test.seconds for test in report.tests),
        "tests": [
            {"name": test.name, "file": test.file, "line": test.line, "passed": test.passed, "why": test.why, "prints": test.prints, "seconds": test.seconds}
            for test in report.tests
        ],
    }
    if report.coverage is not None:
        files = [{"file": file.file, "percent": round(file.percent, 2), "covered": file.covered, "missed": file.missed} for file in report.coverage]
        told["coverage"] = {"percent": round(percent(report.coverage), 2), "files": files}
    return told


def coverage_table(files: Sequence[FileCoverage]) -> list[str]:
    """Lines of a table: file, lines, per cent, and the lines that no test evaluated as ranges."""
    rows = [("file", "lines", "covered", "not covered")]
    rows += [_row(file.file, [file], ranges(file.missed)) for file in files]
    rows.append(_row(_TOTAL, files, ""))
    wide = max(len(row[0]) for row in rows)
    return [f"{name:<{wide}}  {lines:>5}  {share:>7}  {missed}".rstrip() for name, lines, share, missed in rows]


def ranges(lines: Sequence[int]) -> str:
    """``3, 7-9`` of ``3, 7, 8, 9``."""
    runs = [[line for _, line in run] for _, run in groupby(enumerate(lines), lambda pair: pair[1] - pair[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def as_junit(report: TestReport) -> str:
    """The report in JUnit's XML, a suite for each package; CI systems show it."""
    root = Element("testsuites", {"name": f"gateway policy test ({report.engine})", **_counts(report.tests)})
    for package, tests in _packages(report.tests):
        suite = SubElement(root, "testsuite", {"name": _plain(package), **_counts(tests)})
        for test in tests:
            _case(suite, package, test)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _row(name: str, files: Sequence[FileCoverage], missed: str) -> tuple[str, str, str, str]:
    return name, str(sum(len(file.covered) + len(file.missed) for file in files)), f"{percent(files):.1f} %", missed


def _packages(tests: Sequence[AuthorTest]) -> Iterator[tuple[str, list[AuthorTest]]]:
    found: dict[str, list[AuthorTest]] = {}
    for test in tests:
        found.setdefault(test.name.rpartition(".")[0], []).append(test)
    yield from found.items()


def _counts(tests: Sequence[AuthorTest]) -> dict[str, str]:
    failed, seconds = sum(not test.passed for test in tests), sum(test.seconds for test in tests)
    return {"tests": str(len(tests)), "failures": str(failed), "errors": "0", "time": f"{seconds:.6f}"}


def _case(suite: Element, package: str, test: AuthorTest) -> None:
    name = test.name.rpartition(".")[2]
    case = SubElement(suite, "testcase", name=_plain(name), classname=_plain(package), file=_plain(test.file), line=str(test.line), time=f"{test.seconds:.6f}")
    if not test.passed:
        SubElement(case, "failure", message=_plain(test.why)).text = _plain(f"{test.file}:{test.line}: {test.why}")
    if test.prints:
        SubElement(case, "system-out").text = _plain("\n".join(test.prints))


def _plain(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
