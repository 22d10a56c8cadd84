"""``gateway policy test``: runs the author's tests."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.capabilities.policy.author_tests import AuthorTest, run_tests
from gateway.capabilities.policy.bundle import load_bundle
from gateway.surfaces.cli.config_file import config_option
from gateway.surfaces.cli.policy_folder import or_refuse, policies_option, policy_folder


@click.command(name="test")
@click.option("-v", "--verbose", is_flag=True, help="Name the tests that passed, too.")
@policies_option
@config_option
def command(policies: Path | None, config: Path, verbose: bool) -> None:
    """Run the test_ rules of *_test.rego in the embedded engine. Exits 1 if one fails, or if there is none."""
    outcomes = or_refuse(lambda: run_tests(load_bundle(policy_folder(policies, config))))
    for outcome in outcomes:
        _show(outcome, verbose=verbose)
    failed = sum(not outcome.passed for outcome in outcomes)
    click.echo(f"{len(outcomes) - failed} passed, {failed} failed" if outcomes else "there are no tests: write rules named test_... in *_test.rego")
    if failed or not outcomes:
        raise click.exceptions.Exit(1)


def _show(outcome: AuthorTest, *, verbose: bool) -> None:
    if outcome.passed and not verbose:
        return
    sign = "PASS" if outcome.passed else "FAIL"
    click.echo(f"{sign} {outcome.name} ({outcome.file}:{outcome.line}, {outcome.seconds * 1e3:.2f} ms){': ' + outcome.why if outcome.why else ''}")
    for line in outcome.prints:
        click.echo(f"  {line}")
