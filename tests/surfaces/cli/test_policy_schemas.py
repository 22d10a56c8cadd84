"""``gateway policy schemas``."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from gateway.capabilities.policy.contract_schemas import FILES
from gateway.surfaces.cli.policy import command


def test_it_prints_the_folder_that_holds_them() -> None:
    result = CliRunner().invoke(command, ["schemas"])
    assert result.exit_code == 0
    assert {path.name for path in Path(result.output.strip()).iterdir()} == set(FILES.values())
