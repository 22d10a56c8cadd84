"""``gateway policy test``: runs the author's tests, in the engine that will decide or in OPA."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.capabilities.policy.author_report import as_json, as_junit, coverage_table
from gateway.capabilities.policy.author_tests import AuthorTest, TestReport, percent, report_tests
from gateway.capabilities.policy.author_tests_opa import report_tests_by_opa
from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.surfaces.cli.config_file import Refusal, config_option
from gateway.surfaces.cli.policy_folder import or_refuse, policies_option, policy_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The options, by the names of their parameters."""

    verbose: bool
    run: re.Pattern[str] | None
    coverage: bool
    fail_under: float
    engine: str
    in_json: bool
    junit: Path | None
    policies: Path | None
    config: Path


class _Pattern(click.ParamType[re.Pattern[str]]):
    """A regular expression."""

    name = "regex"

    def convert(self, value: str | re.Pattern[str], param: click.Parameter | None, ctx: click.Context | None) -> re.Pattern[str]:
        try:
            return re.compile(value)
        except re.error as error:
            self.fail(f"not a regular expression: {error}", param, ctx)


@click.command(name="test")
@click.option("-v", "--verbose", is_flag=True, help="Name the tests that passed, too.")
@click.option("--run", type=_Pattern(), help="Only the tests whose name (data.PACKAGE.test_NAME) this finds.")
@click.option("--coverage", is_flag=True, help="Show which lines of the modules no test evaluates.")
@click.option("--fail-under", type=click.FloatRange(0, 100), default=0, metavar="PERCENT", help="Exit 1 if fewer lines are covered; implies --coverage.")
@click.option(
    "--engine", type=click.Choice(["embedded", "opa"]), default="embedded", show_default=True, help="Where: opa is the command of OPA_BIN or on PATH."
)
@click.option("--json", "in_json", is_flag=True, help="Print the report as JSON, and nothing else.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the report as JUnit XML, too.")
@policies_option
@config_option
def command(**given: Any) -> None:
    """Run the test_ rules of *_test.rego. Exits 1 if one fails, if there is none, or if too few lines are covered."""
    asked = _Asked(**given)
    bundle = or_refuse(lambda: load_bundle(policy_folder(asked.policies, asked.config)))
    report = or_refuse(lambda: _report(bundle, asked))
    if asked.junit is not None:
        _write(asked.junit, as_junit(report))
    if asked.in_json:
        click.echo(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2))
    else:
        _show(report, asked)
    if report.failed or not report.tests or percent(report.coverage or ()) < asked.fail_under:
        raise click.exceptions.Exit(1)


def _report(bundle: Bundle, asked: _Asked) -> TestReport:
    coverage = asked.coverage or asked.fail_under > 0
    if asked.engine == "opa":
        return report_tests_by_opa(bundle, run=asked.run.pattern if asked.run else "", coverage=coverage)
    return report_tests(bundle, run=asked.run, coverage=coverage)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{file}: cannot be written ({error.strerror})") from None


def _show(report: TestReport, asked: _Asked) -> None:
    for test in report.tests:
        if asked.verbose or not test.passed:
            _tell(test)
    click.echo(f"{len(report.tests) - report.failed} passed, {report.failed} failed" if report.tests else _no_tests())
    for line in coverage_table(report.coverage) if report.coverage is not None else ():
        click.echo(line)
    if percent(report.coverage or ()) < asked.fail_under:
        click.echo(f"{percent(report.coverage or ()):.1f} % of the lines are covered, and {asked.fail_under:g} % are asked for")


def _no_tests() -> str:
    return "there are no tests: write rules named test_... in *_test.rego, or ask for others with --run"


def _tell(test: AuthorTest) -> None:
    sign = "PASS" if test.passed else "FAIL"
    click.echo(f"{sign} {test.name} ({test.file}:{test.line}, {test.seconds * 1e3:.2f} ms){': ' + test.why if test.why else ''}")
    for line in test.prints:
        click.echo(f"  {line}")
