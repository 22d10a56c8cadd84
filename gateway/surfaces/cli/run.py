"""``gateway run``: serve until told to stop, then finish what runs, within a limit."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.app import serve
from gateway.settings import load


@click.command()
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), default=Path("config.yaml"), show_default=True, help="The config file.")
def command(config: Path) -> None:
    """Serve the gateway that CONFIG describes."""
    if not serve(load(config)):
        raise click.exceptions.Exit(1)
