"""What commands share: the ``--config`` option, and config problems as clear lines on stderr with exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from gateway.settings import Settings, SettingsError, load

T = TypeVar("T")

config_option = click.option("--config", "config", type=click.Path(path_type=Path), default=Path("config.yaml"), show_default=True, help="The config file.")


class Refusal(click.ClickException):
    """Something that the command was given cannot be used: a line for each reason, exit code 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the reasons as they are."""
        click.echo(self.message, file=file, err=file is None)


def refusing(read: Callable[[Path], T], config: Path) -> T:
    """``read(config)``, its problems as a refusal."""
    try:
        return read(config)
    except SettingsError as error:
        raise Refusal(str(error)) from None


def load_settings(config: Path) -> Settings:
    """The compiled settings.

    Raises:
        Refusal: with every problem of the config.
    """
    return refusing(load, config)
