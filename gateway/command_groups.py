"""A group of commands whose modules are loaded when a command is called, so that each starts quickly and help loads none."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click


class Late(NamedTuple):
    """A command that is not loaded yet: the module that has it as ``command``, and its line of help."""

    module: str
    help: str


class LateGroup(click.Group):
    """The group of the commands in ``late``, by name."""

    def __init__(self, *, late: Mapping[str, Late], **options: Any) -> None:
        super().__init__(**options)
        self.late = late

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of the commands."""
        return sorted(self.late)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name, ``None`` if there is none."""
        if cmd_name not in self.late:
            return None
        command: click.Command = importlib.import_module(self.late[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, late.help) for name, late in sorted(self.late.items())])
