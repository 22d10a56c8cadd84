"""The command line: ``gateway COMMAND``. A command's module is loaded when the command is called, so that each starts quickly."""

from __future__ import annotations

import sys

import click

from gateway.command_groups import Late, LateGroup
from gateway.errors import GatewayError
from gateway.settings import SettingsError

COMMANDS = {
    "check": "Check the config and print what it compiles to.",
    "explain": "Say what happened to an intent, and why.",
    "init": "Create the local secrets that the config refers to.",
    "keys": "Create, list and revoke API keys.",
    "policy": "Test and evaluate policies.",
    "records": "List, show, verify, export and erase records.",
    "routes": "List routes, and explain which target a request would be given to.",
    "run": "Serve.",
    "scan": "Show what redaction would find in a text.",
    "simulate": "Serve the simulated provider.",
    "tasks": "Decide what waits for a person, over HTTP.",
}


@click.group(cls=LateGroup, late={name: Late(f"gateway.surfaces.cli.{name}", text) for name, text in COMMANDS.items()})
@click.version_option(package_name="execution-gateway", prog_name="gateway")
def cli() -> None:
    """The Execution Gateway: the layer between AI agents and the world."""


def main() -> None:
    """Run the command that the arguments name; 2 is the exit status of bad input."""
    try:
        cli()
    except (GatewayError, SettingsError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
