"""What people, programs and CI are shown of a run of tests."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.author_report import as_json, as_junit, coverage_table, ranges
from gateway.capabilities.policy.author_tests import AuthorTest, FileCoverage, TestReport, percent

TESTS = (
    AuthorTest(name="data.a_test.test_one", file="a_test.rego", line=3, passed=True, seconds=0.25),
    AuthorTest(name="data.a_test.test_two", file="a_test.rego", line=5, passed=False, why='it is <not> "true"\x00', prints=("a & b",), seconds=0.5),
    AuthorTest(name="data.b_test.test_one", file="b_test.rego", line=9, passed=True),
)
COVERAGE = (FileCoverage(file="a.rego", covered=(1, 2, 3), missed=(5, 6, 9)), FileCoverage(file="empty.rego", covered=(), missed=()))
REPORT = TestReport(engine="embedded", revision="r1", tests=TESTS, coverage=COVERAGE)


@pytest.mark.parametrize(("lines", "said"), [((), ""), ((4,), "4"), ((4, 5), "4-5"), ((1, 3, 4, 5, 9), "1, 3-5, 9")])
def test_lines_are_told_as_ranges(lines: tuple[int, ...], said: str) -> None:
    assert ranges(lines) == said


def test_the_table_has_a_row_for_each_file_and_one_for_all() -> None:
    assert coverage_table(COVERAGE) == [
        "file        lines  covered  not covered",
        "a.rego          6   50.0 %  5-6, 9",
        "empty.rego      0  100.0 %",
        "all             6   50.0 %",
    ]
    assert percent(COVERAGE) == 50
    assert percent(()) == 100


def test_programs_get_every_test_and_line() -> None:
    told = as_json(REPORT)
    assert (told["passed"], told["failed"], told["seconds"], told["revision"]) == (2, 1, 0.75, "r1")
    assert told["tests"][1]["why"] == TESTS[1].why
    assert told["coverage"]["files"][0] == {"file": "a.rego", "percent": 50.0, "covered": (1, 2, 3), "missed": (5, 6, 9)}
    assert "coverage" not in as_json(TestReport(engine="opa", revision="", tests=()))


def test_junit_has_a_suite_for_each_package() -> None:
    root = ET.fromstring(as_junit(REPORT))
    assert root.attrib == {"name": "gateway policy test (embedded)", "tests": "3", "failures": "1", "errors": "0", "time": "0.750000"}
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [("data.a_test", "2", "1"), ("data.b_test", "1", "0")]
    failed = root[0][1]
    assert (failed.get("classname"), failed.get("name"), failed.get("file"), failed.get("line")) == ("data.a_test", "test_two", "a_test.rego", "5")
    assert failed.findtext("failure") == 'a_test.rego:5: it is <not> "true"\ufffd'
    assert failed.findtext("system-out") == "a & b"


@given(st.text(), st.text())
def test_junit_is_xml_whatever_a_test_says(why: str, printed: str) -> None:
    test = AuthorTest(name="data.a_test.test_one", file="a_test.rego", line=3, passed=False, why=why, prints=(printed,))
    root = ET.fromstring(as_junit(TestReport(engine="embedded", revision="", tests=(test,))).encode())
    assert root[0][0].find("failure") is not None
