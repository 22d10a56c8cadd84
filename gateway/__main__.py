"""The command line: ``gateway COMMAND``. A command's module is loaded when the command is called, so that each starts quickly."""

from __future__ import annotations

import importlib
import sys

import click

from gateway.errors import GatewayError
from gateway.settings import SettingsError

COMMANDS = {
    "check": "Check the config and print what it compiles to.",
    "init": "Create the local secrets that the config refers to.",
    "keys": "Create, list and revoke API keys.",
    "policy": "Test and evaluate policies.",
    "records": "List, show, verify, export and erase records.",
    "routes": "List routes, and explain which target a request would be given to.",
    "run": "Serve.",
    "scan": "Show what redaction would find in a text.",
    "simulate": "Serve the simulated provider.",
}


class Commands(click.Group):
    """The group of all commands, each loaded on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name, ``None`` if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gateway.surfaces.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=Commands)
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
