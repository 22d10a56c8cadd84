"""``gateway policy revision``: the whole revision of a policy, for the bundle of an OPA server."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.capabilities.policy.bundle import load_bundle
from gateway.surfaces.cli.config_file import config_option
from gateway.surfaces.cli.policy_folder import or_refuse, policies_option, policy_folder


@click.command(name="revision")
@policies_option
@config_option
def command(policies: Path | None, config: Path) -> None:
    """Print the revision of the policy, as it stands on every decision: opa build -b policies --revision $(gateway policy revision)."""
    click.echo(or_refuse(lambda: load_bundle(policy_folder(policies, config)).revision))
