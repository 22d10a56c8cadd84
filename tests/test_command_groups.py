"""A group whose commands are loaded when they are called."""

from __future__ import annotations

import sys

from click.testing import CliRunner

from gateway.command_groups import Late, LateGroup

GROUP = LateGroup(name="things", late={"scan": Late("gateway.surfaces.cli.scan", "Look."), "gone": Late("gateway.surfaces.cli.no_such_module", "Not there.")})


def test_help_lists_all_commands_and_loads_none() -> None:
    result = CliRunner().invoke(GROUP, ["--help"])
    assert result.exit_code == 0
    assert "Not there." in result.output
    assert "Look." in result.output
    assert "gateway.surfaces.cli.no_such_module" not in sys.modules


def test_a_command_is_loaded_when_it_is_called() -> None:
    result = CliRunner().invoke(GROUP, ["scan", "--help"])
    assert result.exit_code == 0
    assert "gateway.surfaces.cli.scan" in sys.modules


def test_a_command_that_the_group_does_not_have_is_refused() -> None:
    result = CliRunner().invoke(GROUP, ["keys"])
    assert result.exit_code == 2
    assert "No such command" in result.output
