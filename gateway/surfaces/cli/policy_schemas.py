"""``gateway policy schemas``: where the schemas of the contract are, for OPA and for editors."""

from __future__ import annotations

from pathlib import Path

import click

import gateway

FOLDER = Path(str(gateway.__file__)).parent / "contract"


@click.command(name="schemas")
def command() -> None:
    """Print the folder of the JSON Schemas of the contract: opa check --strict --schema "$(gateway policy schemas)" policies/."""
    click.echo(str(FOLDER))
