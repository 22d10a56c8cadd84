"""``gateway policy lint``: what keeps a policy from going live."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.problems import PolicyError
from gateway.surfaces.cli.config_file import config_option
from gateway.surfaces.cli.policy_folder import policies_option, policy_folder


@click.command(name="lint")
@policies_option
@config_option
def command(policies: Path | None, config: Path) -> None:
    """Say whether the policy could go live, and if not, everything that is wrong with it. Exits 1 then."""
    folder = policy_folder(policies, config)
    try:
        bundle = load_bundle(folder)
        check(bundle)
    except PolicyError as error:
        for problem in error.problems:
            click.echo(str(problem))
        raise click.exceptions.Exit(1) from None
    click.echo(f"{folder}: {len(bundle.modules)} modules, nothing wrong, revision {bundle.revision[:12]}")
