"""``gateway policy lint``: what keeps a policy from going live, and what is worth a word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.lint_advice import advice_on
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.surfaces.cli.config_file import config_option
from gateway.surfaces.cli.policy_folder import policies_option, policy_folder


@click.command(name="lint")
@click.option("--strict", is_flag=True, help="Exit 1 for a warning, too.")
@click.option("--json", "in_json", is_flag=True, help="Print the findings as JSON, and nothing else.")
@policies_option
@config_option
def command(policies: Path | None, config: Path, strict: bool, in_json: bool) -> None:
    """Say whether the policy could go live: every error and warning with its place and what to write instead. Exits 1 for an error."""
    folder = policy_folder(policies, config)
    problems: Sequence[Problem]
    revision, modules = "", 0
    try:
        bundle = load_bundle(folder)
        revision, modules = bundle.revision, len(bundle.modules)
        problems = advice_on(bundle, check(bundle))
    except PolicyError as error:
        problems = error.problems
    errors = sum(not problem.warning for problem in problems)
    if in_json:
        click.echo(orjson.dumps(_told(revision, problems), option=orjson.OPT_INDENT_2))
    else:
        for problem in problems:
            click.echo(str(problem))
        if not errors:
            said = f"{len(problems)} warning{'' if len(problems) == 1 else 's'}" if problems else "nothing wrong"
            click.echo(f"{folder}: {modules} modules, {said}, revision {revision[:12]}")
    if errors or (strict and problems):
        raise click.exceptions.Exit(1)


def _told(revision: str, problems: Sequence[Problem]) -> dict[str, object]:
    errors = sum(not problem.warning for problem in problems)
    return {"revision": revision, "errors": errors, "warnings": len(problems) - errors, "findings": [problem.as_json() for problem in problems]}
