"""The group ``gateway policy``: what it lists is there."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gateway.surfaces.cli.policy import COMMANDS, command


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(command, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: policy {name}")


def test_help_lists_every_command() -> None:
    listed = CliRunner().invoke(command, ["--help"]).output
    assert [name for name, late in COMMANDS.items() if name not in listed or late.help not in listed] == []
