"""``gateway policy``: what a policy author needs while writing. Nothing here changes what is live."""

from __future__ import annotations

import click

from gateway.command_groups import Late, LateGroup

COMMANDS = {
    "backtest": Late("gateway.surfaces.cli.policy_backtest", "What a candidate would have said of recorded traffic."),
    "bench": Late("gateway.surfaces.cli.policy_bench", "What decisions cost, and which rules cost it."),
    "build": Late("gateway.surfaces.cli.policy_build", "An OPA bundle of the policy, signed if a key is given."),
    "check": Late("gateway.surfaces.cli.policy_lint", "The same as lint."),
    "diff": Late("gateway.surfaces.cli.policy_diff", "What changed from one policy to another."),
    "eval": Late("gateway.surfaces.cli.policy_eval", "The verdict on an input, and what it was based on."),
    "lint": Late("gateway.surfaces.cli.policy_lint", "Whether the policy could go live, and if not, why."),
    "revision": Late("gateway.surfaces.cli.policy_revision", "The revision of the policy, for an OPA server's bundle."),
    "schemas": Late("gateway.surfaces.cli.policy_schemas", "Where the schemas of the contract are."),
    "test": Late("gateway.surfaces.cli.policy_test", "Run the tests of the policy."),
}


@click.group(name="policy", cls=LateGroup, late=COMMANDS)
def command() -> None:
    """What a policy author needs: test, evaluate and lint the Rego that decides."""
